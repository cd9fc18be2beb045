//! The real program, as its users start it.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use super::{Api, client, fresh, soon};

/// `mtbridge` with arguments and variables; what it says on standard error goes to a file.
pub struct Program {
    pub child: Child,
    pub stdout: Lines<BufReader<ChildStdout>>,
    stderr: PathBuf,
}

impl Program {
    pub fn start(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let stderr = dir.join(format!("stderr-{}-{}.txt", std::process::id(), fresh()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_mtbridge"));
        // Nothing of the surroundings may change what a test sees.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MTBRIDGE_") || name == "FAILPOINTS") {
            command.env_remove(name);
        }
        command.args(args).envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(&stderr).unwrap()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdout, stderr }
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    pub async fn line(&mut self) -> Option<String> {
        soon("the program prints a line", self.stdout.next_line()).await.unwrap()
    }

    pub async fn ended(&mut self) -> ExitStatus {
        soon("the program ends", self.child.wait()).await.unwrap()
    }

    /// Its end, which must be a good one: else what it said is told.
    pub async fn ended_well(&mut self) {
        let status = self.ended().await;
        assert!(status.success(), "{status}, and it said:\n{}", self.stderr());
    }

    /// Its end, when nobody reads what it has to say.
    pub async fn ended_unread(self) -> (ExitStatus, String) {
        let Self { mut child, stdout, stderr } = self;
        drop(stdout);
        let status = soon("the program ends", child.wait()).await.unwrap();
        (status, std::fs::read_to_string(stderr).unwrap())
    }

    /// SIGTERM.
    pub async fn terminate(&self) {
        let pid = self.child.id().expect("it still runs").to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        soon("the program dies", self.child.kill()).await.unwrap();
    }
}

/// `mtbridge serve` over a folder, on a port that stays the same over restarts.
pub struct HubProcess {
    pub program: Program,
    pub address: String,
}

impl HubProcess {
    /// Started and ready.
    pub async fn start(dir: &Path, port: u16, admin_key: &str, env: &[(&str, &str)]) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let mut all = vec![
            ("MTBRIDGE_LISTEN", listen.as_str()),
            ("MTBRIDGE_DATA_DIR", dir.to_str().unwrap()),
            ("MTBRIDGE_ADMIN_KEY", admin_key),
            ("MTBRIDGE_STORE__SEGMENT_BYTES", "1048576"),
            ("MTBRIDGE_STORE__FREE_SPACE_FLOOR_BYTES", "0"),
            ("MTBRIDGE_TERMINALS__HEARTBEAT", "500ms"),
            // Short, because the tests' brokers hide nothing: absence must be proved while somebody watches.
            ("MTBRIDGE_TRADING__UNSAFE_SHORT_WAITS", "true"),
            ("MTBRIDGE_TRADING__DUPLICATE_WINDOW", "0s"),
            ("MTBRIDGE_TRADING__MARKET_TTL", "500ms"),
            ("MTBRIDGE_TRADING__GRACE", "100ms"),
            ("MTBRIDGE_TRADING__REQUERY", "100ms"),
            ("MTBRIDGE_TRADING__LONGEST_SEND", "300ms"),
            ("MTBRIDGE_TRADING__SETTLE", "300ms"),
        ];
        all.extend_from_slice(env);
        let mut program = Program::start(&dir.join("log"), &["serve"], &all);
        let Some(line) = program.line().await else { panic!("the hub did not start: {}", program.stderr()) };
        let address =
            line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("not the ready line: {line}")).to_owned();
        Self { program, address }
    }

    pub fn api(&self, key: &str) -> Api {
        Api::new(&format!("http://{}", self.address), key, client())
    }

    pub fn url(&self) -> String {
        format!("ws://{}/ws/terminal", self.address)
    }
}
