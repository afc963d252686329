//! A Kafka for one test: `script/infra` starts it on a loopback address, its data in a folder that is removed with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A killed process is reaped soon.
const GONE_WITHIN: Duration = Duration::from_secs(20);

pub struct Server {
    folder: TempDir,
    instance: u8,
    /// Held so that no other test uses the instance: a port of its address that Kafka does not use.
    _taken: TcpListener,
}

impl Server {
    pub fn start() -> Self {
        let (instance, taken) = free();
        let server = Self { folder: TempDir::new().unwrap(), instance, _taken: taken };
        server.infra(&["start", "kafka"]);
        server
    }

    pub fn brokers(&self) -> String {
        format!("127.{}.255.1:9092", self.instance)
    }

    /// Ends it without a clean shutdown.
    pub fn kill(&self) {
        let pid = self.pid();
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        wait_for_end(&pid);
    }

    /// Limits the size of its files, as on a disk without room.
    pub fn limit_files(&self, bytes: u32) {
        let limited = Command::new("prlimit").args(["--pid", &self.pid(), &format!("--fsize={bytes}:")]).status();
        assert!(limited.unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub fn ends(&self) {
        wait_for_end(&self.pid());
    }

    /// Its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data().join("kafka.log")).unwrap()
    }

    fn pid(&self) -> String {
        let file = std::fs::read_to_string(self.data().join("kafka.pid")).unwrap();
        file.split(' ').next().unwrap().to_owned()
    }

    pub fn start_again(&self) {
        self.infra(&["start", "kafka"]);
    }

    /// Removes its data: it comes back empty.
    pub fn empty(&self) {
        self.infra(&["empty", "kafka"]);
    }

    /// The messages of a topic as Kafka's own console consumer prints them: a line each, with key, partition and headers.
    pub fn consume(&self, topic: &str) -> Vec<String> {
        let brokers = self.brokers();
        let output = self.java(&[
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
            "--bootstrap-server",
            &brokers,
            "--topic",
            topic,
            "--from-beginning",
            // It ends when no message has come for this long.
            "--timeout-ms",
            "20000",
            "--property",
            "print.key=true",
            "--property",
            "print.partition=true",
            "--property",
            "print.headers=true",
            "--property",
            "key.separator= | ",
            "--property",
            "headers.separator=,",
        ]);
        let text = String::from_utf8(output.stdout).unwrap();
        // Its log goes to the same place and reports this timeout.
        text.lines().filter(|line| line.starts_with("Partition:")).map(str::to_owned).collect()
    }

    /// Number of partitions of a topic, as Kafka's own tool reports it.
    pub fn partitions(&self, topic: &str) -> usize {
        let brokers = self.brokers();
        let tool = "org.apache.kafka.tools.TopicCommand";
        let output = self.java(&[tool, "--bootstrap-server", &brokers, "--describe", "--topic", topic]);
        String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.contains("Leader:")).count()
    }

    fn java(&self, arguments: &[&str]) -> Output {
        // `script/infra tools` prints where Kafka's program is.
        let tools = String::from_utf8(self.script(&["tools"]).output().unwrap().stdout).unwrap();
        let classes = tools.lines().find_map(|line| line.strip_prefix("java -cp '")?.split('\'').next());
        let classes = classes.unwrap();
        let configuration =
            format!("-Dlog4j.configuration=file:{}", root().join("script/infra.d/log4j.properties").display());
        let command = ["-Xmx256m", "-XX:TieredStopAtLevel=1", &configuration, "-cp", classes];
        Command::new("java").args(command).args(arguments).output().unwrap()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join(self.instance.to_string())
    }

    fn infra(&self, command: &[&str]) {
        let output = self.script(command).output().unwrap();
        assert!(output.status.success(), "script/infra {command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn script(&self, command: &[&str]) -> Command {
        let mut script = Command::new(root().join("script/infra"));
        script.env("TRUNKLINE_INFRA_DIR", self.folder.path());
        script.args(["--instance", &self.instance.to_string()]).args(command);
        script
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failing test should report its own failure, not this one.
        let down = self.script(&["down"]).output();
        assert!(std::thread::panicking() || down.is_ok_and(|down| down.status.success()), "Kafka does not end");
    }
}

fn wait_for_end(pid: &str) {
    let began = Instant::now();
    while Path::new("/proc").join(pid).exists() {
        assert!(began.elapsed() < GONE_WITHIN, "Kafka does not go");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A free instance; other runs of these tests search for theirs in the same way.
fn free() -> (u8, TcpListener) {
    (180..=249)
        .find_map(|instance| {
            let host = format!("127.{instance}.255.1");
            drop(TcpListener::bind((host.as_str(), 9092)).ok()?);
            Some((instance, TcpListener::bind((host.as_str(), 9099)).ok()?))
        })
        .unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}
