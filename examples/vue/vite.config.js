import vue from '@vitejs/plugin-vue'

const proxy = { '/auth': process.env.DFNS_LOGIN ?? 'http://localhost:8000' }
export default { plugins: [vue()], server: { proxy } }
