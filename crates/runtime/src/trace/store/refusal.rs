//! Dialogs that were refused before they became calls: only their messages are known.

use model::{TenantId, Timestamp};

use super::{Bucket, Kept, Store, is_from};
use crate::trace::entry::Summary;

impl Store {
    /// The dialogs of a tenant that were refused before they became calls, newest first; with `nobodys` also those of unknown tenant.
    /// `from` is compared with the number as it is shown, as for calls.
    pub fn refused(
        &mut self,
        (tenant, nobodys): (&TenantId, bool),
        from: Option<&str>,
        numbers: bool,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Summary> {
        self.expire(now.as_micros());
        let is_of = |bucket: &&Bucket| match &bucket.tenant {
            Some(of) => of == tenant && !bucket.mixed,
            None => nobodys,
        };
        let fits = |dialog: &Summary| is_from(dialog, from, numbers);
        let refusals = self.buckets.values().filter(is_of).filter_map(Bucket::refusal);
        let mut refused: Vec<Summary> = refusals.filter(fits).collect();
        refused.sort_by_key(|dialog| std::cmp::Reverse(dialog.began));
        refused.truncate(limit);
        refused
    }
}

impl Bucket {
    /// Of a dialog from outside that has no call: how it was refused. A challenge is no refusal: who has no password for it sends nothing more.
    fn refusal(&self) -> Option<Summary> {
        if self.is_call || self.conn_id.is_some() {
            return None;
        }
        let messages = || {
            self.entries.iter().filter_map(|kept| match kept {
                Kept::Message { at, inside: false, inbound, text, .. } => Some((*at, *inbound, text)),
                _ => None,
            })
        };
        let (began, invite) = messages().find_map(|(at, inbound, text)| {
            let invite = std::str::from_utf8(text).ok().filter(|text| inbound && text.starts_with("INVITE "))?;
            Some((at, invite))
        })?;
        let (ended, status) = messages().filter(|(_, inbound, _)| !inbound).find_map(|(at, _, text)| {
            let text = std::str::from_utf8(text).ok()?;
            let status = text.lines().next()?.strip_prefix("SIP/2.0 ")?;
            // The dialog may have had an answer to a CANCEL, too.
            header(text, &["cseq"]).filter(|cseq| cseq.ends_with("INVITE"))?;
            let code: u16 = status.get(..3)?.parse().ok()?;
            (code >= 300 && !matches!(code, 401 | 407 | 487)).then_some((at, status))
        })?;
        let from = header(invite, &["from", "f"]).and_then(user);
        Some(Summary {
            conn_id: self.call_ids.first()?.to_string(),
            uuid: String::new(),
            began,
            ended: Some(ended),
            from: from.unwrap_or_default().to_owned(),
            to: invite.lines().next().and_then(user).unwrap_or_default().to_owned(),
            answered_by: None,
            last_event: Some(status.to_owned()),
        })
    }
}

/// The first value of a header that has these names.
fn header<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        names.iter().any(|known| name.trim().eq_ignore_ascii_case(known)).then(|| value.trim())
    })
}

/// The user part of the first SIP URI in a text.
fn user(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("sip:").or_else(|| text.split_once("sips:"))?;
    rest.split(['>', ' ', ';']).next()?.split_once('@').map(|(user, _)| user)
}
