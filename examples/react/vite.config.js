import react from '@vitejs/plugin-react'

const proxy = { '/auth': process.env.DFNS_LOGIN ?? 'http://localhost:8000' }
export default { plugins: [react()], server: { proxy } }
