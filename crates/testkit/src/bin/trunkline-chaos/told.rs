//! The facts of the whole run, across restarts of the role that sends them.

use std::time::Duration;

use anyhow::{Context, Result};
use testkit::{Fact, Watch, wait};

use crate::site::Site;

/// The role that sends facts may be restarting.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// A subscription that is resumed at its last position when it ends.
pub struct Told {
    watch: Option<Watch>,
    before: Vec<Fact>,
    /// Number of times that it was resumed.
    pub again: usize,
    /// Number of facts of the present subscription that `fresh` has returned.
    taken: usize,
    /// Whether it had to restart with a snapshot: the facts in between are missing here.
    pub is_torn: bool,
}

impl Told {
    /// Subscribes.
    pub fn start(site: &Site) -> Result<Self> {
        let watch = Some(Watch::start(&site.installation, "")?);
        Ok(Self { watch, before: Vec::new(), again: 0, taken: 0, is_torn: false })
    }

    /// Resumes the subscription if it has ended; if the role does not answer, a later call retries.
    pub fn keep_up(&mut self, site: &Site) {
        if self.watch.as_ref().is_some_and(|watch| !watch.has_ended()) {
            return;
        }
        if let Some(ended) = self.watch.take() {
            self.before.extend(ended.facts());
            self.taken = 0;
        }
        let last = self.before.last().map(|fact| fact.position.clone()).unwrap_or_default();
        let begun = Watch::start(&site.installation, &last).or_else(|error| {
            // An emptied Redis has no such position.
            if !format!("{error:#}").contains("begin again") {
                return Err(error);
            }
            self.is_torn = true;
            Watch::start(&site.installation, "")
        });
        if let Ok(watch) = begun {
            self.again += 1;
            self.watch = Some(watch);
        }
    }

    /// The facts since the last call.
    pub fn fresh(&mut self) -> Vec<Fact> {
        let fresh = self.watch.as_ref().map(|watch| watch.facts_from(self.taken)).unwrap_or_default();
        self.taken += fresh.len();
        fresh
    }

    /// All facts so far.
    pub fn facts(&mut self, site: &Site) -> Result<Vec<Fact>> {
        wait::until(BACK_WITHIN, || {
            self.keep_up(site);
            Ok(self.watch.is_some().then_some(()))
        })
        .context("the facts are not told")?;
        let latest = self.watch.as_ref().map(Watch::facts).unwrap_or_default();
        Ok([self.before.clone(), latest].concat())
    }
}
