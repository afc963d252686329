//! Provokes each code of the table.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::binary::Site;

#[test]
fn a_wrong_command_line_is_2() {
    let (code, _, said) = Site::new().run(&["upp"]);
    assert_eq!(code, 2);
    assert!(said.contains("unrecognized subcommand 'upp'"), "{said}");
    let (code, _, said) = Site::new().run(&["run", "sip-proxi"]);
    assert_eq!(code, 2);
    assert!(said.contains("no role \"sip-proxi\"; there are"), "{said}");
}

#[test]
fn faulty_settings_are_3_and_every_fault_is_printed() {
    let site = Site::new();
    let mut command =
        site.command(&["up", "--set", "process.drain_dedline=5s", "--set", "process.log=[", "--set", "x.y=1"]);
    command.env("TRUNKLINE_REPLICAS__RQ", "many").env("TRUNKLINE_REPLICAS__TENANT", "2");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3));
    for expected in [
        "5 faults",
        "replicas.rq: expected a whole number, found string (in TRUNKLINE_REPLICAS__RQ)",
        "replicas.tenant: at most 1: there is one for all",
        "process.drain_dedline: unknown key; did you mean process.drain_deadline?",
        "process.log: ",
        "x.y: unknown section",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_3_and_both_are_named() {
    let all = [
        "media.rtp_port_first=30000",
        "registrar.expires_min=2h",
        "registrar.expires_max=1h",
        "stores.redis_cluster=true",
        "stores.redis_sentinels=[\"192.0.2.1:26379\"]",
    ];
    let arguments: Vec<&str> = all.iter().flat_map(|set| ["--set", *set]).collect();
    let (code, _, said) = Site::new().run(&[&["up"], &*arguments].concat());
    assert_eq!(code, 3, "{said}");
    for expected in [
        "3 faults",
        "media.rtp_port_last: 29999 is below media.rtp_port_first (30000)",
        "registrar.expires_max: \"1h\" is less than registrar.expires_min (\"2h\")",
        "stores.redis_cluster: stores.redis_sentinels is set too",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    for (set, expected) in [
        ("media.rtp_port_last=20002", "media.rtp_port_last: 20002 is too close to media.rtp_port_first (20000)"),
        ("bds.s3=s3://inventory/daily", "bds.s3: it needs bds.s3_access_key and bds.s3_secret_key"),
        ("registrar.expires_max=5m", "expires_default: \"10m\" is not between registrar.expires_min (\"30s\") and"),
    ] {
        let (code, _, said) = Site::new().run(&["up", "--set", set]);
        assert!(code == 3 && said.contains(expected), "{expected} is not in\n{said}");
    }
}

#[test]
fn a_port_in_use_is_4_and_names_the_port_and_its_holder() {
    let site = Site::new();
    let host = format!("127.{}.10.1", site.instance);
    let held = TcpListener::bind((host.as_str(), 9090)).unwrap();
    let (code, _, said) = site.run(&["run", "rq"]);
    drop(held);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains(&format!("tcp port 9090 on {host} is in use by")), "{said}");
    assert!(said.contains(&format!("(process {})", std::process::id())), "{said}");
}

#[test]
fn an_import_where_no_installation_has_begun_says_so() {
    let (site, file) = (Site::new(), concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/example-tenant.yaml"));
    for is_told in [true, false] {
        let (code, told, said) = site.run(&["tenant", "import", file]);
        assert!(code == 0 && told.contains("\"revision\""), "{said}");
        assert_eq!(said.contains("no installation has begun in"), is_told, "{said}");
    }
}

#[test]
fn a_tenant_that_is_not_there_is_10_whatever_is_asked_about_it() {
    let (site, file) = (Site::new(), concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/example-tenant.yaml"));
    let (code, _, said) = site.run(&["tenant", "import", file]);
    assert_eq!(code, 0, "{said}");
    for arguments in [
        &["list", "nosuch"][..],
        &["show", "nosuch", "dn", "1"],
        &["show", "nosuch", "dn", "1", "--revision", "1"],
        &["history", "nosuch"],
        &["history", "nosuch", "dn", "1", "--json"],
        &["restore", "nosuch", "dn", "1", "1"],
        &["delete", "nosuch", "dn", "1"],
        &["sign-ins", "nosuch", "--format", "csv"],
        &["snapshot", "list", "nosuch"],
        &["api-key", "list", "nosuch"],
        &["people", "export", "nosuch"],
        &["export", "nosuch", "nowhere", "--reveal-secrets"],
    ] {
        let (code, told, said) = site.run(&[&["tenant"], arguments].concat());
        assert_eq!((code, told.as_str()), (10, ""), "{arguments:?}: {said}");
        assert!(said.contains("there is no tenant nosuch"), "{arguments:?}: {said}");
    }
    // Of one that is there, nothing may be told, and the installation is no tenant.
    for arguments in [&["sign-ins", "example"][..], &["sign-ins", "*"], &["snapshot", "list", "example"]] {
        let (code, told, said) = site.run(&[&["tenant"], arguments].concat());
        assert_eq!((code, told.as_str()), (0, ""), "{arguments:?}: {said}");
    }
    let (code, _, said) = site.run(&["tenant", "show", "example", "dn", "1"]);
    assert!(code == 10 && said.contains("there is no dn 1"), "{said}");
}

#[test]
fn a_data_directory_in_use_is_5() {
    let site = Site::new();
    std::fs::create_dir_all(&site.data_dir).unwrap();
    let lock = std::fs::File::create(site.data_dir.join("lock")).unwrap();
    lock.try_lock().unwrap();
    let (code, _, said) = site.run(&["up"]);
    assert_eq!(code, 5);
    let holder = format!("is in use by process {}; stop it, or choose another one with --data-dir", std::process::id());
    assert!(said.contains(&format!("the data directory {} {holder}", site.data_dir.display())), "{said}");
}

#[test]
fn a_second_process_on_a_data_directory_is_refused_whatever_its_instance() {
    let (site, mut other) = (Site::new(), Site::new());
    other.data_dir.clone_from(&site.data_dir);
    let refused = |by: &Site, arguments: &[&str], directory: &std::path::Path| {
        let (code, _, said) = by.run(arguments);
        assert_eq!(code, 5, "{arguments:?}: {said}");
        let named = format!("the data directory {} is in use by process ", directory.display());
        assert!(said.contains(&named), "{arguments:?}: {said}");
    };
    let running = site.start(&["up"], "all roles are ready");
    for second in [&site, &other] {
        refused(second, &["up"], &site.data_dir);
        refused(second, &["run", "frontend"], &site.data_dir);
    }
    assert_eq!(running.terminate(), 0);
    // Processes of one installation share it, but each node is there once.
    let running = site.start(&["run", "frontend"], "role starts");
    for second in [&site, &other] {
        refused(second, &["up"], &site.data_dir);
        refused(second, &["run", "frontend"], &site.data_dir.join("processes/frontend-1"));
    }
    assert_eq!(running.terminate(), 0);
}

#[test]
fn an_instance_that_does_not_run_is_8() {
    let site = Site::new();
    assert_eq!(site.start(&["run", "frontend"], "role starts").terminate(), 0);
    let (code, _, said) = site.run(&["topology"]);
    assert_eq!(code, 8);
    assert!(said.contains(&format!("no role of instance {} answers", site.instance)), "{said}");
}

#[test]
fn a_demo_that_is_interrupted_while_it_starts_ends_as_one_that_has_started() {
    interrupted_while_it_starts(&["demo"], 0);
}

#[test]
fn a_check_that_is_interrupted_before_its_first_call_is_6() {
    interrupted_while_it_starts(&["demo", "--calls", "9", "--exit"], 6);
}

fn interrupted_while_it_starts(arguments: &[&str], code: i32) {
    let site = Site::new();
    let mut command = site.command(arguments);
    // As at a terminal: Ctrl-C goes to the whole group.
    let mut demo = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !site.data_dir.join("lock").exists() {
        assert_eq!(demo.try_wait().unwrap(), None, "it ended before it began");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", "--", &format!("-{}", demo.id())]).status().unwrap();
    assert!(sent.success());
    let ended = demo.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(code), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn robots_whom_nobody_answers_say_so_with_8() {
    let site = Site::new();
    std::fs::create_dir_all(&site.data_dir).unwrap();
    let file = site.data_dir.join("robots.json");
    let web = format!("http://127.{}.0.1:8080", site.instance);
    let known = serde_json::json!({
        "tenant": "example", "sip": { "host": "127.0.0.1", "port": 5060 }, "web": web, "token": "x",
        "numbers": {}, "services": {}, "agents": [],
    });
    std::fs::write(&file, known.to_string()).unwrap();
    let (code, _, said) = site.run(&["robots", "--site", file.to_str().unwrap()]);
    assert_eq!(code, 8, "{said}");
    assert!(said.contains(&format!("nothing answers at {web}")), "{said}");
}

#[test]
fn where_no_installation_is_a_question_is_5_and_makes_nothing() {
    let site = Site::new();
    for made in [false, true] {
        if made {
            std::fs::create_dir_all(&site.data_dir).unwrap();
        }
        for arguments in
            [&["topology"][..], &["trace", "--last"], &["trace", "--follow"], &["token", "--scope", "operate"]]
        {
            let (code, _, said) = site.run(arguments);
            assert_eq!(code, 5, "{arguments:?}: {said}");
            assert!(said.contains("there is no installation in "), "{said}");
        }
        site.run(&["doctor"]);
        let there = std::fs::read_dir(&site.data_dir).map_or(0, Iterator::count);
        assert_eq!((site.data_dir.exists(), there), (made, 0), "nothing was made");
    }
}

#[test]
fn a_command_about_other_stores_than_the_installation_has_is_3() {
    let site = Site::new();
    assert_eq!(site.start(&["up"], "all roles are ready").terminate(), 0);
    let (token, export) = (["token", "--tenant", "acme", "--scope", "dialplan"], ["tenant", "export", "acme", "acme"]);
    for command in [&token[..], &export] {
        let (code, _, said) = site.run(command);
        assert!(code != 3 && said.contains("acme"), "{command:?}: {said}");
        let (code, _, said) = site.run(&[command, &["--set", "stores.mode=real"]].concat());
        assert_eq!(code, 3, "{command:?}: {said}");
        assert!(said.contains("stores.mode = \"embedded\"") && said.contains("--settings"), "{said}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_fault() {
    let site = Site::new();
    let mut child = site.command(&["settings"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Closed before it has written anything, or while it writes.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn what_nobody_takes_or_nothing_opens_is_no_token() {
    let site = Site::new();
    for (arguments, expected) in [
        (["--aud", "tenent"], "no role \"tenent\"; did you mean \"tenant\"?"),
        (["--aud", "voice"], "the scope \"operate\" is for \"operations\""),
        (["--life", "0s"], "at least 1s"),
    ] {
        let (code, _, said) = site.run(&[&["token", "--scope", "operate"], &arguments[..]].concat());
        assert!(code == 2 && said.contains(expected), "{said}");
    }
    let (code, _, said) = site.run(&["trace", ""]);
    assert!(code == 2 && said.contains("[CALL]"), "{said}");
}

#[test]
fn a_doctor_who_is_sent_to_another_folder_says_where_the_instance_runs() {
    let site = Site::new();
    let running = site.start(&["run", "frontend"], "role starts");
    let instance = site.instance.to_string();
    let elsewhere = std::env::temp_dir().join(format!("trunkline-app-elsewhere-{instance}"));
    let arguments = ["doctor", "--instance", &instance, "--data-dir"];
    let asked = Command::new(env!("CARGO_BIN_EXE_trunkline")).args(arguments).arg(&elsewhere).output().unwrap();
    let told = String::from_utf8(asked.stdout).unwrap();
    assert!(!told.contains("end process"), "{told}");
    assert_eq!(told.matches(" runs instance ").count(), 1, "{told}");
    assert!(told.contains(&format!("--data-dir {}", site.data_dir.display())), "{told}");
    assert!(!elsewhere.exists());
    assert_eq!(running.terminate(), 0);
}

#[test]
fn what_was_asked_for_is_0() {
    let site = Site::new();
    for arguments in
        [&["--help"][..], &["up", "--help"], &["settings"], &["specs", "--check"], &["settings", "--in-force"]]
    {
        let (code, answer, said) = site.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        assert!(!answer.is_empty() || !said.is_empty());
    }
    let (_, help, _) = site.run(&["--help"]);
    assert!(help.contains("Exit codes:\n  0  done"), "{help}");
}
