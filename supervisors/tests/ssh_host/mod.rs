//! Debian's sshd on a port of its own, as a normal process, with keys and a configuration of its own.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod place;

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where Debian has it.
const SSHD: &str = "/usr/sbin/sshd";

/// Which programs a session finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    Dash,
    Bash,
    /// `sh` and everything else is BusyBox.
    BusyBox,
}

/// A running sshd.
pub struct SshHost {
    pub port: u16,
    pub folder: tempfile::TempDir,
    process: Option<Child>,
}

/// Why there is none.
pub fn missing(shell: Shell) -> Option<String> {
    let is_there =
        |name: &str| ["/bin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(name).exists());
    let program = match shell {
        Shell::Dash => "dash",
        Shell::Bash => "bash",
        Shell::BusyBox => "busybox",
    };
    match Path::new(SSHD).exists() {
        false => Some(format!("no {SSHD}")),
        true if !is_there(program) => Some(format!("no {program}")),
        true => None,
    }
}

/// Says loudly that a test does not run.
#[macro_export]
macro_rules! host_or_skip {
    ($shell:expr) => {
        match ssh_host::missing($shell) {
            Some(why) => {
                println!("SKIPPED: {why}");
                return;
            }
            None => ssh_host::SshHost::start($shell),
        }
    };
}

impl SshHost {
    pub fn start(shell: Shell) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        // Privilege separation wants its folder; without root it is neither wanted nor possible.
        let _ = fs::create_dir_all("/run/sshd");
        let mut host = Self { port: super::house::free_port(), folder, process: None };
        keygen(&host.path("host_key"), "");
        keygen(&host.path("user_key"), "");
        fs::copy(host.path("user_key.pub"), host.path("authorized_keys")).expect("copied");
        fs::create_dir(host.path("logs")).expect("created");
        fs::create_dir(host.path("bin")).expect("created");
        match shell {
            Shell::Dash => link(&host, "sh", "dash"),
            Shell::Bash => link(&host, "sh", "bash"),
            Shell::BusyBox => {
                let install =
                    Command::new("busybox").args(["--install", "-s"]).arg(host.path("bin")).status();
                assert!(install.expect("busybox runs").success());
            }
        }
        let path = match shell {
            Shell::BusyBox => host.path("bin").display().to_string(),
            _ => format!("{}:/usr/bin:/bin", host.path("bin").display()),
        };
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPermitRootLogin yes\nPasswordAuthentication yes\nPrintMotd no\n\
             ForceCommand PATH={path} exec sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
            host.port,
            host.path("host_key").display(),
            host.path("authorized_keys").display(),
        );
        fs::write(host.path("sshd_config"), config).expect("written");
        host.run();
        host
    }

    /// Starts it (again).
    pub fn run(&mut self) {
        let log = fs::File::create(self.path("sshd.log")).expect("created");
        let process = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(self.path("sshd_config"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd starts");
        self.process = Some(process);
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = fs::read_to_string(self.path("sshd.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "sshd does not listen: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it, and the sessions that would go on.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let sessions: Vec<u32> = children(process.id())
                .into_iter()
                .flat_map(|child| [children(child), vec![child]].concat())
                .collect();
            let _ = process.kill();
            let _ = process.wait();
            sessions.into_iter().for_each(kill);
        }
    }

    /// The same host at another port.
    pub fn change_port(&mut self) {
        let (from, to) = (self.port, super::house::free_port());
        let config = fs::read_to_string(self.path("sshd_config")).expect("written");
        let changed = config.replace(&format!("Port {from}\n"), &format!("Port {to}\n"));
        fs::write(self.path("sshd_config"), changed).expect("written");
        self.stop();
        self.port = to;
        self.run();
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Cuts all sessions: kills the processes that sshd made for them.
    pub fn cut(&self) {
        let Some(process) = &self.process else { return };
        for child in children(process.id()) {
            for grandchild in children(child) {
                kill(grandchild);
            }
            kill(child);
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A log file.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path("logs").join(name)
    }

    /// A program that sessions find.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    /// `SHA256:…` of the host key.
    pub fn fingerprint(&self) -> String {
        let output = Command::new("ssh-keygen").arg("-lf").arg(self.path("host_key.pub")).output();
        let text = String::from_utf8(output.expect("ssh-keygen runs").stdout).expect("text");
        text.split(' ').nth(1).expect("a fingerprint").to_owned()
    }

    /// The device `in` that signs in by key, with these further properties.
    pub fn device(&self, properties: &str) -> String {
        format!(
            "devices:\n  - {{id: 1, name: in, type: linux, properties: {{address: 127.0.0.1, port: {}, username: {}, \
             private_key: {}, host_key: \"{}\", poll_interval: 100ms{properties}}}}}\n",
            self.port,
            user(),
            self.path("user_key").display(),
            self.fingerprint(),
        )
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Who runs this test.
pub fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

pub fn keygen(path: &Path, passphrase: &str) {
    let _ = fs::remove_file(path);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", passphrase, "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("ssh-keygen runs").success());
}

fn link(host: &SshHost, name: &str, to: &str) {
    symlink(Path::new("/bin").join(to), host.path("bin").join(name)).expect("linked");
}

fn children(of: u32) -> Vec<u32> {
    let path = format!("/proc/{of}/task/{of}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn kill(pid: u32) {
    // It may have ended by itself.
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
}
