//! How much is sent to Redis and received from it.

use infra::{Client, Matter};

/// Bytes of a request, by subject.
#[derive(Clone, Copy, Default)]
pub(in crate::redis) struct SentBytes([usize; Matter::ALL.len()]);

impl SentBytes {
    pub(in crate::redis) fn add(&mut self, about: Matter, bytes: usize) {
        for (matter, held) in Matter::ALL.iter().zip(&mut self.0) {
            if *matter == about {
                *held += bytes;
            }
        }
    }

    /// The answer is counted with the largest part of the request.
    pub(super) fn tell(&self, client: &Client, received: usize) {
        let most = self.0.iter().copied().max().unwrap_or_default();
        let mut received = Some(received);
        for (matter, sent) in Matter::ALL.iter().zip(self.0).filter(|(_, sent)| *sent > 0) {
            let answer = if sent == most { received.take() } else { None };
            client.watch.exchanged(*matter, sent, answer.unwrap_or_default());
        }
    }
}

pub(super) fn size_of_arg(arg: &redis::Arg<&[u8]>) -> usize {
    match arg {
        redis::Arg::Simple(bytes) => bytes.len(),
        _ => 1,
    }
}
