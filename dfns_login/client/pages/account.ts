// `/account/`: how somebody signs in, where they are signed in, and what happened. Changes are signed.

import { Activity } from './account_activity.js'
import { Credentials } from './account_credentials.js'
import { RecoveryKits } from './account_kit.js'
import { AccountPage } from './account_page.js'
import { PasswordChange } from './account_password.js'
import { Sessions } from './account_sessions.js'
import { find } from './dom.js'
import { letPasswordsBeShown } from './fields.js'
import { started } from './page_data.js'

const account = new AccountPage()
const passwordChange = new PasswordChange(account)
const credentials = new Credentials(account, (credential) => void passwordChange.ask(credential), () => kits.show())
const kits = new RecoveryKits(account, credentials)
new Sessions(account)
new Activity(account)

find('[data-sign-out]', HTMLButtonElement).addEventListener('click', () => void account.signOut())
// What the browser keeps of a page that was left has no opened key, and is not shown again as it was.
window.addEventListener('pagehide', () => account.confirmation.lock())
window.addEventListener('pageshow', ({ persisted }) => {
  if (persisted) location.reload()
})
letPasswordsBeShown()
started()
void account.show()
