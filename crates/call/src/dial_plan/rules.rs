//! The tenant's rules about dialled numbers. Of each kind, the first rule of the file that is about a number applies; of those that
//! limit what is spent in a day, all do.

use model::Timestamp;

use super::{OpeningHours, Pattern};

/// The most rules of a tenant: a number is compared with each of them.
pub const RULES_MAX: usize = 1_000;

/// Numbers that reach every emergency service, in many countries; 112 does so in most networks.
const GENERAL: [&str; 5] = ["112", "911", "999", "000", "111"];

/// The rules, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialRules {
    /// Emergency numbers: nothing of the plan stops them.
    pub emergency: Vec<EmergencyNumber>,
    /// What typed numbers stand for.
    pub translations: Vec<Translation>,
    /// Numbers outside that are not called.
    pub blocked: Vec<Blocked>,
    /// Which number is shown to who is called outside.
    pub caller_ids: Vec<CallerIdRule>,
    /// What is spent in a day on numbers outside.
    pub spending: Vec<Spending>,
    /// Trunks by which numbers are called.
    pub routes: Vec<Route>,
    /// How numbers are written for trunks.
    pub sent: Vec<OfTrunk>,
    /// What numbers mean in calls of trunks.
    pub received: Vec<OfTrunk>,
}

/// An emergency number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencyNumber {
    /// The rule's name.
    pub name: String,
    /// The numbers, as they are typed.
    pub pattern: Pattern,
    /// The trunk that is tried first.
    pub trunk: Option<String>,
}

/// What a typed number stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The rule's name.
    pub name: String,
    /// The numbers, as they are typed.
    pub pattern: Pattern,
    /// How many characters are removed at the beginning.
    pub remove: usize,
    /// What is put before the rest.
    pub add: String,
}

/// Numbers outside that are not called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The rule's name.
    pub name: String,
    /// The numbers, in full form.
    pub pattern: Pattern,
    /// Why, for who calls and for the trace.
    pub reason: String,
}

/// Which number is shown to who is called outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerIdRule {
    /// The rule's name.
    pub name: String,
    /// The called numbers, in full form.
    pub pattern: Pattern,
    /// The trunk for which it applies; none: for all.
    pub trunk: Option<String>,
    /// The number that is shown.
    pub shows: String,
}

/// A trunk by which numbers are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The rule's name.
    pub name: String,
    /// The numbers, in full form.
    pub pattern: Pattern,
    /// The trunk.
    pub trunk: String,
    /// What a call costs: the cheapest trunk is tried first.
    pub cost: u32,
    /// When it applies; none: always.
    pub hours: Option<OpeningHours>,
}

/// How numbers are written in the calls of a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfTrunk {
    /// The trunk for which it applies; none: for all.
    pub trunk: Option<String>,
    /// The numbers, and what becomes of them.
    pub translation: Translation,
}

/// Who may spend what a rule allows for a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpentBy {
    /// Each phone for itself.
    Phone,
    /// Each agent, at whichever phone; a phone at which nobody is logged in counts for itself.
    Agent,
    /// All calls of the tenant together.
    Tenant,
}

/// What may be spent in a day on calls to numbers outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    /// The rule's name.
    pub name: String,
    /// The numbers, in full form.
    pub pattern: Pattern,
    /// Who may spend that much.
    pub per: SpentBy,
    /// The most calls.
    pub calls: Option<u32>,
    /// The most minutes.
    pub minutes: Option<u32>,
}

impl Translation {
    /// The number for which a typed one stands.
    pub fn apply(&self, typed: &str) -> String {
        let rest = typed.char_indices().nth(self.remove).and_then(|(at, _)| typed.get(at..)).unwrap_or_default();
        format!("{}{rest}", self.add)
    }
}

impl DialRules {
    /// The rule that makes a typed number an emergency number.
    pub fn emergency(&self, typed: &str) -> Option<&EmergencyNumber> {
        self.emergency.iter().find(|rule| rule.pattern.matches(typed))
    }

    /// The number of the emergency service as a whole: of those that are used for it the first that a rule is about, else the first of the
    /// first rule.
    pub(super) fn number_for_help(&self) -> Option<String> {
        let general = GENERAL.into_iter().find(|number| self.emergency(number).is_some());
        let of_first = || self.emergency.first().map(|rule| rule.pattern.first_number());
        general.map(str::to_owned).or_else(of_first)
    }

    /// The translation of a typed number.
    pub fn translation(&self, typed: &str) -> Option<&Translation> {
        self.translations.iter().find(|rule| rule.pattern.matches(typed))
    }

    /// The rule that blocks a number.
    pub fn blocked(&self, number: &str) -> Option<&Blocked> {
        self.blocked.iter().find(|rule| rule.pattern.matches(number))
    }

    /// The routes of a number that apply now.
    pub fn routes(&self, number: &str, now: Timestamp) -> impl Iterator<Item = &Route> {
        let applies = move |route: &&Route| route.hours.as_ref().is_none_or(|hours| hours.is_open(now));
        self.routes.iter().filter(|route| route.pattern.matches(number)).filter(applies)
    }

    /// A number as a trunk is sent it; none: as it is.
    pub fn sent(&self, number: &str, trunk: &str) -> Option<String> {
        of_trunk(&self.sent, number, trunk)
    }

    /// What a number means that a trunk has sent; none: itself.
    pub fn received(&self, number: &str, trunk: &str) -> Option<String> {
        of_trunk(&self.received, number, trunk)
    }

    /// The rules that limit what is spent on a number, in one of the forms in which it may be read.
    pub fn spending(&self, forms: &[&str]) -> impl Iterator<Item = &Spending> {
        self.spending.iter().filter(|rule| forms.iter().any(|form| rule.pattern.matches(form)))
    }

    /// Whether a rule shows that number.
    pub fn shows(&self, number: &str) -> bool {
        self.caller_ids.iter().any(|rule| rule.shows == number)
    }

    /// The rule that says which number is shown by a trunk.
    pub fn caller_id(&self, number: &str, trunk: &str) -> Option<&CallerIdRule> {
        let is_of = |rule: &&CallerIdRule| rule.trunk.as_deref().is_none_or(|of| of == trunk);
        self.caller_ids.iter().filter(is_of).find(|rule| rule.pattern.matches(number))
    }
}

fn of_trunk(rules: &[OfTrunk], number: &str, trunk: &str) -> Option<String> {
    let is_of = |rule: &&OfTrunk| rule.trunk.as_deref().is_none_or(|of| of == trunk);
    let rule = rules.iter().filter(is_of).find(|rule| rule.translation.pattern.matches(number))?;
    Some(rule.translation.apply(number))
}
