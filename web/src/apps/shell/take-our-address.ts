/** Comes before the router, which reads the address as it is loaded. */

import { ourAddress } from './published-address'

const ours = ourAddress(location.pathname)
if (ours !== undefined) history.replaceState(history.state, '', ours + location.search + location.hash)
