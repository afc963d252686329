//! The kill switch: applications whose clients are to send nothing, by the settings and by an operator while the role runs.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// Every application.
pub(super) const ALL: &str = "*";

/// Applications that are switched off.
#[derive(Debug)]
pub(super) struct KillSwitch(RwLock<BTreeSet<String>>);

impl KillSwitch {
    /// With these off.
    pub fn new(off: impl IntoIterator<Item = String>) -> Self {
        Self(RwLock::new(off.into_iter().collect()))
    }

    /// Whether an application is off.
    pub fn is_off(&self, app: &str) -> bool {
        let off = self.0.read().unwrap_or_else(PoisonError::into_inner);
        off.contains(app) || off.contains(ALL)
    }

    /// Switches an application, or all of them: `*` on ends only what `*` off began.
    pub fn set(&self, app: &str, is_off: bool) {
        let mut off = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if is_off {
            off.insert(app.to_owned());
        } else {
            off.remove(app);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_all_are_off() {
        let switch = KillSwitch::new(["softphone".to_owned()]);
        assert!(switch.is_off("softphone") && !switch.is_off("wwe_ui"));
        switch.set(ALL, true);
        switch.set("softphone", false);
        assert!(switch.is_off("softphone") && switch.is_off("wwe_ui"));
        switch.set(ALL, false);
        assert!(!switch.is_off("softphone"));
    }
}
