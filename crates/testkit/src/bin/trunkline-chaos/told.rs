//! The facts of the whole run, over the lives of the role that tells them.

use std::time::Duration;

use anyhow::{Context, Result};
use testkit::{Fact, Watch, wait};

use crate::site::Site;

/// The role that tells facts may be starting again.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// A subscription that is begun again where it stood when it ends.
pub struct Told {
    watch: Option<Watch>,
    before: Vec<Fact>,
    /// How often it was begun again.
    pub again: usize,
    /// Whether it had to begin with a snapshot: what was told meanwhile is not known here.
    pub is_torn: bool,
}

impl Told {
    /// Subscribes.
    pub fn start(site: &Site) -> Result<Self> {
        let watch = Some(Watch::start(&site.installation, "")?);
        Ok(Self { watch, before: Vec::new(), again: 0, is_torn: false })
    }

    /// Begins again if it has ended; while the role does not answer, another time.
    pub fn keep_up(&mut self, site: &Site) {
        if self.watch.as_ref().is_some_and(|watch| !watch.has_ended()) {
            return;
        }
        if let Some(ended) = self.watch.take() {
            self.before.extend(ended.facts());
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

    /// Everything so far.
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
