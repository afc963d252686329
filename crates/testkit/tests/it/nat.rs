//! A phone behind a NAT: a network namespace, a private address in its SIP and SDP, and a router that gives each of
//! its flows another source port.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::agents::long_speech;
use testkit::caller::{Caller, prompt_samples};
use testkit::{Installation, audio, wait};

use crate::outgoing::is_heard_in;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// The phone's own address, unknown outside.
const PRIVATE: &str = "192.168.77.2";

fn ip(arguments: &str) -> Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.context("iproute2 is not installed: script/bootstrap installs it")?;
    ensure!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Two namespaces: a translating router, and the phone's behind it. They are deleted when dropped.
struct Nat {
    router: String,
    home: String,
    edge: Ipv4Addr,
}

impl Nat {
    fn set_up() -> Result<Self> {
        let number = std::process::id();
        let [third, second] = [number % 250, 100 + number / 250 % 100];
        let nat = Self {
            router: format!("tlr{number}"),
            home: format!("tlp{number}"),
            edge: format!("10.{second}.{third}.1").parse()?,
        };
        ip(&format!("netns add {}", nat.router)).context(
            "this test makes namespaces of the network: run it as root, or leave it out by `script/test --skip nat::`",
        )?;
        let Self { router, home, edge } = &nat;
        let (outer, inner, outside) =
            (format!("tlo{number}"), format!("tli{number}"), format!("10.{second}.{third}.2"));
        for step in [
            format!("netns add {home}"),
            format!("link add {outer} type veth peer name out netns {router}"),
            format!("link add {inner} netns {router} type veth peer name eth netns {home}"),
            format!("addr add {edge}/30 dev {outer}"),
            format!("link set {outer} up"),
            format!("-n {router} addr add {outside}/30 dev out"),
            format!("-n {router} addr add 192.168.77.1/24 dev {inner}"),
            format!("-n {router} link set out up"),
            format!("-n {router} link set {inner} up"),
            format!("-n {home} addr add {PRIVATE}/24 dev eth"),
            format!("-n {home} link set eth up"),
            format!("-n {home} link set lo up"),
            format!("-n {home} route add default via 192.168.77.1"),
            format!("netns exec {router} sysctl -qw net.ipv4.ip_forward=1"),
            format!("netns exec {router} nft add table ip nat"),
            format!("netns exec {router} nft add chain ip nat out {{ type nat hook postrouting priority 100 ; }}"),
            format!("netns exec {router} nft add rule ip nat out oifname out masquerade random"),
        ] {
            ip(&step).context("script/bootstrap installs what tests use")?;
        }
        Ok(nat)
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        // Their interfaces are deleted with them.
        let _ = ip(&format!("netns del {}", self.home));
        let _ = ip(&format!("netns del {}", self.router));
    }
}

/// baresip behind the router. It answers by itself; it cannot be controlled from outside.
struct Phone {
    child: Child,
    folder: tempfile::TempDir,
}

impl Phone {
    fn start(nat: &Nat, site: &Installation, extension: &str) -> Result<Self> {
        let person = site.demo.people.iter().find(|person| person.extension == extension).context("no such person")?;
        let folder = tempfile::tempdir()?;
        let (path, edge, password) = (folder.path(), site.sip(), &person.password);
        let speech = long_speech()?;
        let config = format!(
            "poll_method epoll\nsip_listen {PRIVATE}:5060\nnet_interface eth\n\
             audio_player aufile,{folder}/played.wav\naudio_source aufile,{speech}\naudio_alert aufile,{folder}/alert.wav\n\
             ausrc_srate 8000\nauplay_srate 8000\nmodule_path /usr/lib/baresip/modules\n\
             module g711.so\nmodule aufile.so\nmodule sndfile.so\nsnd_path {folder}\n\
             module_tmp account.so\nmodule_app menu.so\n",
            folder = path.display(),
            speech = speech.display(),
        );
        fs::write(path.join("config"), config)?;
        fs::write(
            path.join("accounts"),
            format!(
                "<sip:{extension}@{edge};transport=udp>;auth_user={extension};auth_pass={password};\
                 outbound=\"sip:{edge};transport=udp;lr\";regint=60;answermode=auto;audio_codecs=PCMU,PCMA\n"
            ),
        )?;
        fs::write(path.join("contacts"), "")?;
        let child = Command::new("ip")
            .args(["netns", "exec", &nat.home, "baresip", "-f"])
            .arg(path)
            .stdin(Stdio::null())
            .stdout(fs::File::create(path.join("out.log"))?)
            .stderr(fs::File::create(path.join("err.log"))?)
            .spawn()?;
        Ok(Self { child, folder })
    }

    fn output(&self) -> String {
        ["out.log", "err.log"]
            .map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default())
            .concat()
    }

    fn heard(&self) -> Result<PathBuf> {
        let files = fs::read_dir(self.folder.path())?.flatten().map(|file| file.path());
        files.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).max().context("it has heard nothing")
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_phone_behind_a_nat_is_called_hears_and_is_heard() -> Result<()> {
    let nat = Nat::set_up()?;
    let edge = nat.edge;
    let settings = [
        format!("sip-proxy.sip_udp_listen={edge}:5060"),
        format!("sip-proxy.sip_tcp_listen={edge}:5060"),
        format!("media.rtp_listen={edge}:0"),
    ];
    let arguments: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting.as_str()]).collect();
    let site = Installation::start_with(&arguments)?;
    ensure!(site.sip() == format!("{edge}:5060"), "what it says of itself follows its settings: {}", site.sip());
    let phone = Phone::start(&nat, &site, "7101")?;
    let registered = wait::until(SOON, || Ok(phone.output().contains("200 OK").then_some(())));
    registered.with_context(|| format!("not registered: {}", phone.output()))?;
    site.log_in("7101")?;

    let mut caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let media = caller.answered(SOON)?;
    let talking = wait::until(LATER, || Ok(phone.heard().ok()));
    talking.with_context(|| format!("the phone is not called: {}", phone.output()))?;
    let speech = prompt_samples("announcement")?;
    caller.audio.say(&speech, media)?;
    caller.audio.finish_saying()?;
    caller.hang_up()?;
    let (ears, outcome) = caller.finish(LATER)?;
    outcome.expect_success().with_context(|| phone.output())?;

    // The phone may still be writing.
    let path = phone.heard()?;
    wait::until(SOON, || Ok(is_heard_in(&speech, &audio::read_wav(&path)?).then_some(())))
        .context("the phone does not hear the caller")?;
    let at_caller = ears.received().samples;
    ensure!(is_heard_in(&prompt_samples("support-welcome")?, &at_caller), "the caller does not hear the phone");
    let trace = super::trace::of_ended(&site, &["--last", "--from", "01"])?;
    let named = format!("names the private address {PRIVATE}:");
    ensure!(trace["verdict"]["findings"].to_string().contains(&named), "{:#}", trace["verdict"]);
    site.is_at_rest()
}
