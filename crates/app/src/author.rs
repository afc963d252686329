//! Who changes the configuration by a command.

use std::fs::File;
use std::io::Read as _;

use infra::{ChangeNote, ChangeOrigin, ChangeWay, Clock as _, SystemClock};

/// The longest name of a user that is noted, in characters.
const NAME_MAX: usize = 64;

/// Where a machine keeps the names of its users (passwd(5)), and the most that is read of it, in bytes.
const ACCOUNTS: &str = "/etc/passwd";
const ACCOUNTS_MAX: u64 = 1 << 20;

/// The user of this machine, now.
pub fn note(way: ChangeWay) -> ChangeNote {
    let named =
        ["LOGNAME", "USER"].into_iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let uid = rustix::process::getuid().as_raw();
    let user = named.or_else(|| name_of(uid, &accounts())).unwrap_or_else(|| format!("uid-{uid}"));
    let user: String = user.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    let (by, at) = (format!("user/{user}"), SystemClock::start().now());
    ChangeNote { by, way, origin: ChangeOrigin::default(), at, request: None }
}

/// The accounts of this machine; what cannot be read has none.
fn accounts() -> String {
    let mut read = Vec::new();
    let file = File::open(ACCOUNTS);
    let _ = file.and_then(|file| file.take(ACCOUNTS_MAX).read_to_end(&mut read));
    String::from_utf8_lossy(&read).into_owned()
}

/// The name of a user in lines as passwd(5) has them: name, password, number and more, with colons between.
fn name_of(uid: u32, accounts: &str) -> Option<String> {
    let named = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        let is_theirs = !name.is_empty() && number.parse::<u32>().is_ok_and(|number| number == uid);
        is_theirs.then(|| name.to_owned())
    };
    accounts.lines().find_map(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_login_has_the_name_of_the_account() {
        let accounts = "root:x:0:0:root:/:/bin/sh\n:x:7::\n+::::\nann:x:1000:1000::/:/bin/sh\n";
        let name = |uid| name_of(uid, accounts);
        assert_eq!((name(0).as_deref(), name(1_000).as_deref()), (Some("root"), Some("ann")));
        assert_eq!((name(7), name(8)), (None, None));
    }
}
