//! The key that matches a message to a transaction (RFC 3261 §17.1.3, §17.2.3).

use crate::{HeaderError, Message, Method};

/// Builds keys in one buffer, so that a lookup allocates nothing.
#[derive(Debug, Default)]
pub(super) struct KeyBuffer(Vec<u8>);

const CLIENT: u8 = b'c';
const SERVER: u8 = b's';
/// A request of an RFC 2543 element, without the magic cookie.
const SERVER_2543: u8 = b'o';
const SEPARATOR: u8 = b'\n';

impl KeyBuffer {
    /// The key of a client transaction: branch and method (of the CSeq).
    pub(super) fn client(&mut self, branch: &str, method: &Method) -> &[u8] {
        self.start(CLIENT, method);
        self.part(branch);
        &self.0
    }

    /// The key of the server transaction to which `request` would belong with the method `method`: an ACK and a CANCEL belong
    /// to an INVITE.
    pub(super) fn server(&mut self, request: &Message, method: &Method) -> Result<&[u8], HeaderError> {
        let via = request.top_via()?;
        if via.has_rfc3261_branch() {
            self.start(SERVER, method);
            self.part(via.branch().unwrap_or_default());
        } else {
            self.start(SERVER_2543, method);
            self.part(request.request_uri().unwrap_or_default());
            self.part(request.from()?.tag().unwrap_or_default());
            self.part(request.call_id()?);
            self.0.extend_from_slice(&request.cseq()?.number.to_be_bytes());
            self.part(via.branch().unwrap_or_default());
        }
        self.part(via.host.as_str());
        let host_from = self.0.len() - via.host.as_str().len() - 1;
        if let Some(host) = self.0.get_mut(host_from..) {
            host.make_ascii_lowercase();
        }
        self.0.extend_from_slice(&via.port.unwrap_or(5060).to_be_bytes());
        Ok(&self.0)
    }

    fn start(&mut self, kind: u8, method: &Method) {
        self.0.clear();
        self.0.push(kind);
        self.part(method.as_str());
    }

    fn part(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(SEPARATOR);
    }
}
