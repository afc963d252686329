//! Opens what the peer sends.

use super::cipher::{CipherKind, PacketId, SessionKeys};
use super::index::{Window, estimate};
use super::{ENCRYPTED, Keying, PacketRefused, RTCP_CLEAR, clear_bytes, numbers, word};
use crate::rtp::PACKET_BYTES_MAX;

/// Most sources of one key that are remembered. Only who has the key makes one; a phone makes one when its audio begins anew. Beyond,
/// the one that has been silent for longest is forgotten.
pub const SSRCS_MAX: usize = 64;

/// The peer's direction: one key, with the sources that were heard under it.
pub struct SrtpReceiver {
    keying: Keying,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    sources: Vec<ReceivedSource>,
    /// Packets opened.
    opened: u64,
}

/// How far a source is, as plain data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceIndex {
    /// The source.
    pub ssrc: u32,
    /// The highest index of its packets: rollover counter and sequence number.
    pub rtp: Option<u64>,
    /// The highest index of its reports.
    pub rtcp: Option<u32>,
}

struct ReceivedSource {
    ssrc: u32,
    rtp: Option<Window>,
    rtcp: Option<Window>,
    /// Where it was some time ago: it may be further than an estimate reaches.
    is_stale: bool,
    /// Its rollover counter under the key before: RFC 3711 §3.3.1 keeps it, and many begin again with nought.
    rollovers_before: Option<u64>,
    /// When it was heard last, in packets of all sources.
    heard: u64,
}

impl SrtpReceiver {
    /// Under a key of which nothing was heard.
    pub fn new(keying: Keying) -> Option<Self> {
        Self::resume(keying, &[])
    }

    /// Goes on from where sources were. What was up to there counts as there before.
    pub fn resume(keying: Keying, at: &[SourceIndex]) -> Option<Self> {
        let rtp = SessionKeys::derive(&keying, CipherKind::Rtp).ok()?;
        let rtcp = SessionKeys::derive(&keying, CipherKind::Rtcp).ok()?;
        let source = |at: &SourceIndex| ReceivedSource {
            ssrc: at.ssrc,
            rtp: at.rtp.map(Window::all_up_to),
            rtcp: at.rtcp.map(|index| Window::all_up_to(index.into())),
            is_stale: at.rtp.is_some(),
            rollovers_before: None,
            heard: 0,
        };
        Some(Self { keying, rtp, rtcp, sources: at.iter().take(SSRCS_MAX).map(source).collect(), opened: 0 })
    }

    /// Under a new key, after another one.
    pub fn after(keying: Keying, former: Option<&Self>) -> Option<Self> {
        let mut next = Self::new(keying)?;
        let sources = former.map(|former| &*former.sources).unwrap_or_default();
        let known = sources.iter().filter_map(|source| {
            let rollovers_before = Some(source.rtp?.highest() >> 16);
            let ReceivedSource { ssrc, heard, .. } = *source;
            Some(ReceivedSource { ssrc, rtp: None, rtcp: None, is_stale: false, rollovers_before, heard })
        });
        next.sources = known.collect();
        next.opened = former.map(|former| former.opened).unwrap_or_default();
        Some(next)
    }

    /// The key.
    pub const fn keying(&self) -> &Keying {
        &self.keying
    }

    /// How far each source is.
    pub fn sources(&self) -> Vec<SourceIndex> {
        let of = |source: &ReceivedSource| SourceIndex {
            ssrc: source.ssrc,
            rtp: source.rtp.map(|window| window.highest()),
            rtcp: source.rtcp.map(|window| window.highest() as u32),
        };
        self.sources.iter().map(of).collect()
    }

    /// Opens an RTP packet in place. Returns the packet, and whether who goes on from [`SrtpReceiver::sources`] must know of it: it is
    /// the first of its source, or the first after a rollover.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then, but the bytes may be overwritten.
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Result<(&'a mut [u8], bool), PacketRefused> {
        let clear = clear_bytes(packet).ok_or(PacketRefused::Forged)?;
        let (sequence, ssrc) = numbers(packet).ok_or(PacketRefused::Forged)?;
        let packet = self.without_mki(packet, self.rtp.tag_bytes())?;
        let known = self.sources.iter().position(|source| source.ssrc == ssrc);
        let source = known.and_then(|at| self.sources.get(at));
        let window = source.and_then(|source| source.rtp);
        let is_stale = source.is_some_and(|source| source.is_stale);
        let candidates = candidates(window, sequence, is_stale, source.and_then(|source| source.rollovers_before));
        let is_new = |index: &u64| window.is_none_or(|window| window.is_new(*index));
        if !candidates.iter().flatten().any(is_new) {
            return Err(PacketRefused::Replayed);
        }
        let tries = candidates.into_iter().flatten().filter(is_new);
        let (index, length) = self.find(packet, (clear, ssrc), tries).ok_or(PacketRefused::Forged)?;
        let rolled = window.is_none_or(|window| window.highest() >> 16 < index >> 16);
        self.opened += 1;
        let heard = self.opened;
        let source = self.source(known, ssrc);
        source.heard = heard;
        // What came while nobody listened is over: only what follows is new.
        let seen = if source.is_stale { Window::all_up_to(index) } else { Window::new(index) };
        match source.rtp.as_mut().filter(|_| !source.is_stale) {
            Some(window) => window.note(index),
            None => source.rtp = Some(seen),
        }
        source.is_stale = false;
        let packet = packet.get_mut(..length).ok_or(PacketRefused::Forged)?;
        Ok((packet, rolled))
    }

    /// Tries indexes until one fits. AES-GCM overwrites what it refuses, so that all but the last are tried on a copy.
    fn find(
        &self,
        packet: &mut [u8],
        (clear, ssrc): (usize, u32),
        indexes: impl Iterator<Item = u64>,
    ) -> Option<(u64, usize)> {
        let open = |packet: &mut [u8], index: u64| {
            let rollovers = ((index >> 16) as u32).to_be_bytes();
            self.rtp.open(CipherKind::Rtp, PacketId { ssrc, index }, (packet, clear), rollovers).ok()
        };
        let mut indexes = indexes.peekable();
        while let Some(index) = indexes.next() {
            if indexes.peek().is_none() {
                return Some((index, open(packet, index)?));
            }
            let mut room = [0; PACKET_BYTES_MAX];
            let copy = room.get_mut(..packet.len())?;
            copy.copy_from_slice(packet);
            if let Some(length) = open(copy, index) {
                packet.copy_from_slice(copy);
                return Some((index, length));
            }
        }
        None
    }

    /// Opens an RTCP packet in place.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then, but the bytes may be overwritten.
    pub fn open_report<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a mut [u8], PacketRefused> {
        let ssrc = word(packet, 4).ok_or(PacketRefused::Forged)?;
        let tag = self.rtcp.tag_bytes();
        let packet = match self.rtcp {
            SessionKeys::Counter { .. } => self.without_mki(packet, tag)?,
            SessionKeys::Gcm { .. } => self.without_mki(packet, 0)?,
        };
        let length =
            packet.len().checked_sub(tag + 4).filter(|length| *length >= RTCP_CLEAR).ok_or(PacketRefused::Forged)?;
        // The word with the index stands before the tag of HMAC-SHA1, and behind that of AES-GCM.
        let at = if matches!(self.rtcp, SessionKeys::Counter { .. }) { length } else { length + tag };
        let told = word(packet, at).ok_or(PacketRefused::Forged)?;
        // One in clear is authentic too, but nobody has agreed to such (RFC 4568 §6.3.2).
        let index = (told & ENCRYPTED != 0).then_some(u64::from(told & !ENCRYPTED)).ok_or(PacketRefused::Forged)?;
        let known = self.sources.iter().position(|source| source.ssrc == ssrc);
        let window = known.and_then(|at| self.sources.get(at)?.rtcp);
        if window.is_some_and(|window| !window.is_new(index)) {
            return Err(PacketRefused::Replayed);
        }
        // Without the word, the packet is as one of SRTP.
        packet.copy_within(at + 4.., at);
        let sealed = packet.get_mut(..length + tag).ok_or(PacketRefused::Forged)?;
        let id = PacketId { ssrc, index };
        let opened = self.rtcp.open(CipherKind::Rtcp, id, (sealed, RTCP_CLEAR), told.to_be_bytes());
        let opened = opened.map_err(|_| PacketRefused::Forged)?;
        let source = self.source(known, ssrc);
        source.rtcp.get_or_insert(Window::new(index)).note(index);
        packet.get_mut(..opened).ok_or(PacketRefused::Forged)
    }

    /// The packet without the identifier of the master key, which stands before the last `behind` bytes.
    fn without_mki<'a>(&self, packet: &'a mut [u8], behind: usize) -> Result<&'a mut [u8], PacketRefused> {
        // RFC 7714 §8.2: the tag of AES-GCM is part of the text, so that the identifier is last.
        let behind = if matches!(self.rtp, SessionKeys::Gcm { .. }) { 0 } else { behind };
        let Some(mki) = self.keying.mki() else { return Ok(packet) };
        let length = usize::from(mki.length);
        let end = packet.len().checked_sub(behind).ok_or(PacketRefused::Forged)?;
        let start = end.checked_sub(length).ok_or(PacketRefused::Forged)?;
        let told = packet.get(start..end).ok_or(PacketRefused::Forged)?;
        let value = mki.value.to_be_bytes();
        let expected = value.get(value.len().saturating_sub(length)..).unwrap_or_default();
        let (zeros, rest) = told.split_at(length - expected.len());
        if rest != expected || zeros.iter().any(|zero| *zero != 0) {
            return Err(PacketRefused::Forged);
        }
        packet.copy_within(end.., start);
        let kept = packet.len() - length;
        packet.get_mut(..kept).ok_or(PacketRefused::Forged)
    }

    /// A source by its place, or a new one.
    fn source(&mut self, known: Option<usize>, ssrc: u32) -> &mut ReceivedSource {
        let at = known.filter(|at| *at < self.sources.len()).unwrap_or_else(|| {
            if self.sources.len() == SSRCS_MAX {
                let quietest = self.sources.iter().enumerate().min_by_key(|(_, source)| source.heard);
                let at = quietest.map(|(at, _)| at).unwrap_or_default();
                self.sources.swap_remove(at);
            }
            let heard = self.opened;
            let (is_stale, rollovers_before) = (false, None);
            self.sources.push(ReceivedSource { ssrc, rtp: None, rtcp: None, is_stale, rollovers_before, heard });
            self.sources.len() - 1
        });
        &mut self.sources[at]
    }
}

/// The indexes that a sequence number may stand for. A source that begins may have rolled over before anybody listened (RFC 3711 §3.3.1
/// knows the counter by other means), or keep the counter that it had under the key before; and one that was not listened to for a while
/// may be half a cycle further.
fn candidates(window: Option<Window>, sequence: u16, is_stale: bool, before: Option<u64>) -> [Option<u64>; 4] {
    let at = |rollovers: u64| Some(rollovers << 16 | u64::from(sequence));
    let Some(window) = window else {
        let [kept, next] =
            [0, 1].map(|further| before.map(|before| before + further).filter(|it| *it > 1).and_then(at));
        return [at(0), at(1), kept, next];
    };
    let estimated = estimate(window.highest(), sequence);
    if !is_stale {
        return [estimated, None, None, None];
    }
    let other = |rollovers: u64| at(rollovers).filter(|index| Some(*index) != estimated);
    let rollovers = window.highest() >> 16;
    [estimated, other(rollovers), other(rollovers + 1), None]
}

impl std::fmt::Debug for SrtpReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sources = self.sources();
        f.debug_struct("SrtpReceiver").field("keying", &self.keying).field("sources", &sources).finish_non_exhaustive()
    }
}
