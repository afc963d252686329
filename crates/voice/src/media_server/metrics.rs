//! The metrics of the media role.

use std::sync::atomic::Ordering::Relaxed;

use net::rtp::Counters;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::meter::PeerMeter;

runtime::metrics! {
    /// The metrics of a node.
    #[derive(Clone, Debug, Default)]
    pub struct Metrics {
        /// Media dialogs of this node.
        legs: Gauge = "media_legs";
        /// Free pairs of RTP ports.
        ports_free: Gauge = "media_rtp_ports_free";
        /// Media dialogs that were answered.
        opened: Counter = "media_legs_opened";
        /// INVITEs refused because of their content.
        refused: Counter = "media_legs_refused";
        /// INVITEs refused because a limit was reached.
        overloaded: Counter = "media_legs_overloaded";
        /// Treatments that were started.
        treatments: Counter = "media_treatments";
        /// Recorded announcements that were stored.
        recordings_kept: Counter = "media_recordings_kept";
        /// Recordings lost because they could not be written, or the process ended.
        recordings_lost: Counter = "media_recordings_lost";
        /// Recordings refused because there was no room for them, or no audio.
        recordings_refused: Counter = "media_recordings_refused";
        /// Files of calls' recordings that are being written.
        conversations: Gauge = "media_conversations";
        /// Files of calls' recordings that are whole.
        conversations_kept: Counter = "media_conversations_kept";
        /// Recordings of calls that the disk refused: they end early, or are not there at all.
        conversations_lost: Counter = "media_conversations_lost";
        /// Pieces of two seconds that are missing in calls' recordings because the disk was too slow.
        conversation_pieces_lost: Counter = "media_conversation_pieces_lost";
        /// Keys that phones pressed.
        digits: Counter = "media_digits";
        /// Phones that stopped sending audio without being on hold.
        quiet: Counter = "media_legs_quiet";
        /// Legs that are sent no more audio because nothing was received from their address.
        withheld: Counter = "media_legs_withheld";
        /// Legs ended because their audio exceeded its steps per turn.
        runaway: Counter = "media_legs_runaway";
        /// Legs ended because the handshake for the keys of their audio has failed.
        not_agreed: Counter = "media_legs_without_keys";
        /// Faults that ended a leg.
        faults: Counter = "media_faults";
        /// Records moved to quarantine.
        put_aside: Counter = "media_records_put_aside";
        /// Legs of a previous run that could not be continued.
        not_restored: Counter = "media_legs_not_restored";
        /// Legs ended because their records exceeded the size limit.
        oversized: Counter = "media_legs_oversized";
        /// SIP messages not sent because their proxy was not connected.
        unsent: Counter = "media_messages_unsent";
        /// RTP and RTCP packets received.
        packets_in: Counter = "media_rtp_packets_received";
        /// RTP and RTCP packets sent.
        packets_out: Counter = "media_rtp_packets_sent";
        /// Encrypted packets dropped because they are not authentic, or not encrypted.
        packets_forged: Counter = "media_rtp_packets_forged";
        /// Encrypted packets dropped because they were there before.
        packets_replayed: Counter = "media_rtp_packets_replayed";
        /// Packets that the kernel did not take.
        packets_unsent: Counter = "media_rtp_packets_unsent";
        /// Events of legs lost because the node's loop fell behind.
        news_lost: Counter = "media_news_lost";
    }
}

impl Metrics {
    /// Sets the number of legs.
    pub fn legs(&self, count: usize) {
        self.legs.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A dialog was answered.
    pub fn leg_opened(&self) {
        self.opened.inc();
    }

    /// An INVITE was refused because of its content.
    pub fn leg_refused(&self) {
        self.refused.inc();
    }

    /// An INVITE was refused because a limit was reached.
    pub fn leg_overloaded(&self) {
        self.overloaded.inc();
    }

    /// A treatment was started.
    pub fn treatment_started(&self) {
        self.treatments.inc();
    }

    /// A recorded announcement was stored.
    pub fn recording_kept(&self) {
        self.recordings_kept.inc();
    }

    /// A recording was lost.
    pub fn recording_lost(&self) {
        self.recordings_lost.inc();
    }

    /// There was no room for a recording.
    pub fn recording_refused(&self) {
        self.recordings_refused.inc();
    }

    /// Sets the number of files of calls' recordings that are being written.
    pub fn conversations(&self, count: usize) {
        self.conversations.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A file of a call's recording is whole.
    pub fn conversation_kept(&self) {
        self.conversations_kept.inc();
    }

    /// The disk refused a call's recording.
    pub fn conversation_lost(&self) {
        self.conversations_lost.inc();
    }

    /// A key was pressed.
    pub fn digit_pressed(&self) {
        self.digits.inc();
    }

    /// A phone stopped sending audio.
    pub fn leg_quiet(&self) {
        self.quiet.inc();
    }

    /// A leg gets no more audio until something is received from its address.
    pub fn leg_withheld(&self) {
        self.withheld.inc();
    }

    /// A leg's audio exceeded its steps per turn.
    pub fn leg_runaway(&self) {
        self.runaway.inc();
    }

    /// The handshake for the keys of a leg's audio has failed.
    pub fn keys_not_agreed(&self) {
        self.not_agreed.inc();
    }

    /// A fault ended a leg.
    pub fn fault(&self) {
        self.faults.inc();
    }

    /// A record was moved to quarantine.
    pub fn record_put_aside(&self) {
        self.put_aside.inc();
    }

    /// A leg of a previous run could not be continued.
    pub fn leg_not_restored(&self) {
        self.not_restored.inc();
    }

    /// A leg's record exceeds the size limit.
    pub fn leg_oversized(&self) {
        self.oversized.inc();
    }

    /// A message could not be sent.
    pub fn message_unsent(&self) {
        self.unsent.inc();
    }

    /// Adds the packets that the threads have counted since the last call.
    pub fn packets(&self, counters: &Counters, ports_free: usize, edge: &PeerMeter) {
        self.ports_free.set(i64::try_from(ports_free).unwrap_or(i64::MAX));
        let catch_up = |counter: &Counter, total: u64| {
            let new = total.saturating_sub(counter.get());
            counter.inc_by(new);
            new
        };
        let came = catch_up(&self.packets_in, counters.packets_in.load(Relaxed));
        let went = catch_up(&self.packets_out, counters.packets_out.load(Relaxed));
        catch_up(&self.packets_unsent, counters.unsent.load(Relaxed));
        catch_up(&self.packets_forged, counters.forged.load(Relaxed));
        catch_up(&self.packets_replayed, counters.replayed.load(Relaxed));
        catch_up(&self.news_lost, counters.lost_news.load(Relaxed));
        catch_up(&self.conversation_pieces_lost, counters.lost_pieces.load(Relaxed));
        // A packet has 172 bytes unless it is a report or a DTMF event: close enough for a meter of volume and last use.
        edge.carried(came as usize * PACKET_BYTES, went as usize * PACKET_BYTES);
    }
}

/// RTP header and 20 ms of G.711.
const PACKET_BYTES: usize = 172;
