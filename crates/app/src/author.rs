//! Who changes the configuration by a command.

use infra::{ChangeNote, ChangeOrigin, ChangeWay, Clock as _, SystemClock};

/// The longest name of a user that is noted, in characters.
const NAME_MAX: usize = 64;

/// The user of this machine, now.
pub fn note(way: ChangeWay) -> ChangeNote {
    let named =
        ["LOGNAME", "USER"].into_iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let user = named.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    let user: String = user.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    let (by, at) = (format!("user/{user}"), SystemClock::start().now());
    ChangeNote { by, way, origin: ChangeOrigin::default(), at, request: None }
}
