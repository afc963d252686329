//! Prometheus itself, which scrapes the roles of an installation and evaluates rules.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::wait;

/// It reads its own data first.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// What rules files are called; their tests are beside them.
const RULES: &str = ".rules.yaml";

/// A running Prometheus; it ends with this value.
pub struct Prometheus {
    process: Child,
    at: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// One at this address that scrapes each role, by name and admin address, once a second with the token, as `docs/metrics.md` says.
    /// It has the rules of that folder, and evaluates all of them once a second, whatever their interval is.
    pub fn start(at: SocketAddr, token: &str, roles: &[(&str, SocketAddr)], rules: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        for file in fs::read_dir(rules)? {
            let file = file?;
            let name = file.file_name();
            if name.to_string_lossy().ends_with(RULES) {
                let text = fs::read_to_string(file.path())?.replace("interval: 30s", "interval: 1s");
                fs::write(folder.path().join(name), text)?;
            }
        }
        fs::write(path("token"), token)?;
        let settings = configuration(&path("token"), &path(&format!("*{RULES}")), roles);
        fs::write(path("prometheus.yaml"), settings)?;
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", path("prometheus.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", path("data").display()))
            .arg(format!("--web.listen-address={at}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("log"))?)
            .spawn()
            .context("prometheus: script/bootstrap installs it")?;
        let log = path("log");
        let server = Self { process, at, _folder: folder };
        let ready = wait::until(READY_WITHIN, || Ok(server.get("/-/ready", None).ok()));
        ready.with_context(|| format!("it is not ready: {}", fs::read_to_string(&log).unwrap_or_default()))?;
        Ok(server)
    }

    /// The values that an expression has now, one for each series.
    ///
    /// # Errors
    /// If Prometheus refuses the expression.
    pub fn query(&self, expression: &str) -> Result<Vec<f64>> {
        let data = self.data("/api/v1/query", Some(expression))?;
        ensure!(data["resultType"] == "vector", "{expression}: {data}");
        let series = data["result"].as_array().with_context(|| data.to_string())?;
        let value = |one: &Value| one["value"][1].as_str().and_then(|value| value.parse::<f64>().ok());
        series.iter().map(|one| value(one).with_context(|| format!("{expression}: {one}"))).collect()
    }

    /// All rules with `name`, `query`, `health` and `lastError`.
    pub fn rules(&self) -> Result<Vec<Value>> {
        let data = self.data("/api/v1/rules", None)?;
        let groups = data["groups"].as_array().with_context(|| data.to_string())?;
        Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
    }

    /// What its API answers.
    fn data(&self, path: &str, expression: Option<&str>) -> Result<Value> {
        let answer: Value = serde_json::from_str(&self.get(path, expression)?)?;
        ensure!(answer["status"] == "success", "{}: {answer}", expression.unwrap_or(path));
        Ok(answer["data"].clone())
    }

    fn get(&self, path: &str, expression: Option<&str>) -> Result<String> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "30", "--get"]);
        if let Some(expression) = expression {
            command.arg("--data-urlencode").arg(format!("query={expression}"));
        } else {
            command.arg("--fail");
        }
        let output = command.arg(format!("http://{}{path}", self.at)).output().context("curl")?;
        ensure!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(token: &Path, rules: &Path, roles: &[(&str, SocketAddr)]) -> String {
    let (token, rules) = (token.display(), rules.display());
    let job = |(role, at): &(&str, SocketAddr)| {
        format!("  - job_name: {role}\n    bearer_token_file: {token}\n    static_configs: [{{ targets: ['{at}'] }}]\n")
    };
    let jobs: String = roles.iter().map(job).collect();
    format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: ['{rules}']\nscrape_configs:\n{jobs}"
    )
}
