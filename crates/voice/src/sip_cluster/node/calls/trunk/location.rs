//! Where the caller of an emergency call is (RFC 6442): told to a carrier that is to know it, and to nobody else. Nothing here keeps a call from
//! going out.

use call::CallSnapshot;
use contracts::json::rfc3339;
use model::plan::{Caller, Destination, Way};
use model::{ConnId, Dn, LegId, TenantId, Timestamp};
use runtime::trace::What;
use sip::StatusCode;
use sip::agent::{DialogId, ExtraHeaders};
use sip::location::{Geolocation, KnownLocation, LOCATION_BYTES_MAX, Subject};
use sip::multipart::BodyPart;

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::call::Entry;
use crate::sip_cluster::node::calls::leg::{Leg, LegStage, Place, Target};

/// Reads where a phone of a tenant is.
pub type ReadLocation = Box<dyn Fn(&TenantId, &Dn) -> Option<KnownLocation> + Send>;

impl Node {
    /// What an INVITE of a leg says of where the caller is: headers, and a part of its body. `from` is how the caller is shown.
    pub(in crate::sip_cluster::node::calls) fn told_location(
        &self,
        conn_id: ConnId,
        id: LegId,
        state: &CallSnapshot,
        from: &str,
        now: Timestamp,
    ) -> (ExtraHeaders, Vec<BodyPart>) {
        let Some(entry) = self.calls.get(&conn_id) else { return Default::default() };
        let Some(target) = self.target_to_tell(entry, id) else { return Default::default() };
        let trunk = target.trunk.as_deref().unwrap_or_default();
        let note = |said: &str| {
            let what = || What::Note { text: format!("the carrier of the trunk {trunk} {said}") };
            self.trace.note_with(&entry.tenant, conn_id, now, what);
        };
        let has_been_silent = entry.location_unheard.iter().any(|trunk| Some(&**trunk) == target.trunk.as_deref());
        let is_last_attempt = !state.has_way_left_by(trunk);
        if has_been_silent || (is_last_attempt && is_silent_by_another_leg(entry, id, target)) {
            note("is not told where the caller is: it has said nothing when it was");
            return Default::default();
        }
        let Some((location, whence)) = self.location_of_caller(conn_id, state, from, now) else {
            self.metrics.location_unknown();
            tracing::warn!(%conn_id, tenant = %entry.tenant, trunk,
                "an emergency call goes out without a location: give the phone, its place or the tenant a `location`");
            note("is not told where the caller is: that is not known");
            return Default::default();
        };
        self.metrics.location_told();
        note(&format!("is told where the caller is, as {whence}"));
        let (headers, part) = location.attach(self.ids.content_id(conn_id, id));
        (headers, vec![part])
    }

    /// Where the phone is that calls, and who says so: the phone itself knows best. Of a caller from outside nothing is known.
    fn location_of_caller(
        &self,
        conn_id: ConnId,
        state: &CallSnapshot,
        from: &str,
        now: Timestamp,
    ) -> Option<(Geolocation, &'static str)> {
        let entry = self.calls.get(&conn_id)?;
        let party = state.parties.first();
        let Caller::Phone(phone) = party.map_or(&state.caller, |party| &party.device) else { return None };
        let leg = party.and_then(|party| entry.leg(party.leg));
        if let Some(given) = leg.and_then(|leg| leg.location.clone()) {
            return Some((given, "its phone says"));
        }
        let known = (self.locations)(&entry.tenant, phone).filter(|known| !known.is_empty())?;
        let (device, at) = (format!("urn:uuid:{}", self.ids.device_id(&entry.tenant, phone)), rfc3339(now));
        let document = known.document(&Subject { entity: uri_of(from), device: &device, at: &at });
        // It is there for the call to be routed by it, which nothing said would forbid (RFC 6442 section 4.2).
        let location = Geolocation { document, may_route: Some(true) };
        Some((location, "configured")).filter(|(location, _)| location.document.len() <= LOCATION_BYTES_MAX)
    }

    /// Where a leg goes, if its carrier is to know where the caller is.
    fn target_to_tell<'a>(&self, entry: &'a Entry, id: LegId) -> Option<&'a Target> {
        let wants = |trunk: &str| (self.trunks)(&entry.tenant, trunk).location;
        let target = entry.leg(id)?.target.as_ref()?;
        (target.is_emergency && target.trunk.as_deref().is_some_and(wants)).then_some(target)
    }

    /// A carrier has refused an INVITE that says where the caller is, and has got it again without.
    pub(in crate::sip_cluster::node::calls) fn location_refused(
        &mut self,
        dialog: DialogId,
        status: StatusCode,
        now: Timestamp,
    ) {
        let Some(Place { conn_id, leg, .. }) = self.place(dialog) else { return };
        let Some(entry) = self.calls.get(&conn_id) else { return };
        let target = entry.leg(leg).and_then(|leg| leg.target.as_ref());
        let trunk = target.and_then(|target| target.trunk.as_deref()).unwrap_or_default();
        tracing::warn!(%conn_id, tenant = %entry.tenant, trunk, %status,
            "a carrier refuses an emergency call that says where the caller is: it gets it again without. Ask the carrier, or set the trunk's \
             `location` to false");
        let what = || What::Note {
            text: format!(
                "the trunk {trunk} answers {status} {}: its carrier gets the call again, and is not told where the caller is",
                status.reason()
            ),
        };
        self.trace.note_with(&entry.tenant, conn_id, now, what);
    }

    /// A carrier that was told where the caller is has said nothing for as long as it may: the INVITE may have been too large for the way
    /// there. The next one to it goes without, since whoever is in need is put through first. Not after one that was cancelled sooner.
    pub(in crate::sip_cluster::node::calls) fn note_unheard(&mut self, conn_id: ConnId, id: LegId) {
        let Some(entry) = self.calls.get(&conn_id) else { return };
        let is_silent = entry.leg(id).is_some_and(|leg| leg.stage == LegStage::Ringing && !leg.alerted);
        let told = self.target_to_tell(entry, id).filter(|_| is_silent);
        let Some(trunk) = told.and_then(|target| target.trunk.as_deref()).map(str::to_owned) else { return };
        if let Some(entry) = self.calls.get_mut(&conn_id).filter(|entry| !entry.location_unheard.contains(&trunk)) {
            entry.location_unheard.push(trunk);
        }
    }

    /// Adds one more attempt to an emergency call whose carrier is told where the caller is, behind all others: after silence it is without.
    pub(in crate::sip_cluster::node) fn add_way_without_location(&self, conn_id: ConnId, answer: &mut Destination) {
        let (Destination::Outside(outside), Some(entry)) = (answer, self.calls.get(&conn_id)) else { return };
        let wants = |way: &&Way| way.is_emergency && (self.trunks)(&entry.tenant, &way.trunk).location;
        let mut ways = outside.further.iter().rev().chain(std::iter::once(&outside.way));
        let last = ways.find(wants).cloned();
        outside.further.extend(last);
    }

    /// Forgets where the caller is, unless the dial plan's answer leads its call to where that is wanted: nobody else is told, and no
    /// record has it.
    pub(in crate::sip_cluster::node) fn keep_location(&mut self, conn_id: ConnId, ask: u32, answer: &Destination) {
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        let is_emergency = matches!(answer, Destination::Outside(outside) if outside.way.is_emergency);
        let leg = entry.thread.asks_on(ask).filter(|_| !is_emergency);
        if let Some(leg) = leg.and_then(|leg| entry.leg_mut(leg)) {
            leg.location = None;
        }
    }
}

/// Whether the same carrier has got the call already and has said nothing so far: its last attempt goes without, even if the one before has
/// not had all its time.
fn is_silent_by_another_leg(entry: &Entry, id: LegId, target: &Target) -> bool {
    let is_of_carrier = |other: &Target| other.is_emergency && other.trunk == target.trunk && other.dn == target.dn;
    let is_silent = |leg: &Leg| leg.stage == LegStage::Ringing && !leg.alerted;
    entry.legs.iter().any(|leg| leg.id != id && is_silent(leg) && leg.target.as_ref().is_some_and(is_of_carrier))
}

/// The URI of a From that we have written.
fn uri_of(from: &str) -> &str {
    from.rsplit_once('<').map_or(from, |(_, uri)| uri.trim_end_matches('>'))
}
