// The public module of the client, and internals that the tests need.

export * from '../../dfns_login/client/encoding.js'
export { newKitKey } from '../../dfns_login/client/kit_key.js'
export * from '../../dfns_login/client/signer.js'
export { strength } from '../../dfns_login/client/strength.js'
