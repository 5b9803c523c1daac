// Type-checked, never run: the signer and the store are what the official client asks for.
import { DfnsApiClient, DfnsAuthenticator } from '@dfns/sdk';
import { PasswordProtectedKeySigner, PasswordProtectedKeyStore, } from '../../dfns_login/static/dfns_login/dist/types/signer.js';
export class Signer extends PasswordProtectedKeySigner {
}
export class Store extends PasswordProtectedKeyStore {
}
// where it is asked for, it is understood
export const authenticator = new DfnsAuthenticator({ baseUrl, signer: new PasswordProtectedKeySigner({ password: ask }) });
const signer = new PasswordProtectedKeySigner({ password: ask });
export const another = new DfnsAuthenticator({ baseUrl, signer });
export const api = new DfnsApiClient({ baseUrl, authToken: '', signer });
// of itself it says what it makes, which the official types lack
const plain = new PasswordProtectedKeySigner({ password: () => '' });
export const made = plain.sign({ challenge: '', allowCredentials: {} });
// @ts-expect-error: once the official types have the kind, the type parameters can go
export const refused = new DfnsAuthenticator({ baseUrl, signer: plain });
