// The word lists and the layouts of keyboards ship without types.

declare module '@zxcvbn-ts/language-common/dist/adjacencyGraphs.json.mjs' {
  export { adjacencyGraphs as default } from '@zxcvbn-ts/language-common'
}
