//! Linux hosts over SSH: Debian's sshd, real shells, real files.

mod house;
#[macro_use]
mod ssh_host;

use house::writer::{Writer, append, gzip};
use house::{snapshot, until};
use ssh_host::place::{Place, says};
use ssh_host::{Shell, keygen, user};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use supervisors::device_tree::{Finding, trial};
use supervisors::{Director, Options};

async fn files_are_followed(shell: Shell) {
    let host = host_or_skip!(shell);
    let place = Place::new();
    let mut writer = Writer::open("a", host.log("a's.log"));
    writer.write(100);
    let device = host.device(&format!(", path: \"{}\"", host.log("*.log").display()));
    let director = place.start(&device).await;
    place.arrived(&director, "a", 100).await;
    writer.write(50);
    place.arrived(&director, "a", 150).await;

    writer.rotate();
    writer.write(50);
    place.arrived(&director, "a", 200).await;
    // A writer that was not told of the rotation yet.
    let mut late = append(&writer.archive(1));
    late.write_all(b"late 0\n").expect("written");
    place.arrived(&director, "late", 1).await;

    writer.write(30);
    writer.copy_and_truncate(1);
    writer.write(5);
    place.arrived(&director, "a", 235).await;
    let before = writer.written;
    File::create(&writer.path).expect("truncated");
    writer.write(1);
    place.arrived(&director, "a", before + 1).await;
    assert_eq!(director.stop().await.events, 0);

    writer.write(20);
    let director = place.start(&device).await;
    place.arrived(&director, "a", writer.written).await;
    assert_eq!(director.stop().await.events, 0);
    place.receiver.assert_once("a", writer.written);
    place.receiver.assert_once("late", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_followed_through_rotations_and_a_restart_with_dash() {
    files_are_followed(Shell::Dash).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_followed_through_rotations_and_a_restart_with_bash() {
    files_are_followed(Shell::Bash).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_followed_through_rotations_and_a_restart_with_busybox() {
    files_are_followed(Shell::BusyBox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rotated_and_compressed_during_an_outage_is_read() {
    let host = host_or_skip!(Shell::Dash);
    let place = Place::new();
    let mut writer = Writer::open("a", host.log("syslog"));
    // Older than everything that is collected.
    fs::write(host.log("syslog.9.gz"), "nonsense").expect("written");
    fs::write(host.log("syslog.8"), "old 0\n").expect("written");
    writer.write(100);
    let device = host.device(&format!(", path: \"{}\"", host.log("syslog").display()));
    let director = place.start(&device).await;
    place.arrived(&director, "a", 100).await;
    assert_eq!(director.stop().await.events, 0);

    writer.write(10);
    for _ in 0..3 {
        // logrotate runs once a day; times of files are compared by the second on some hosts.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        writer.rotate();
        writer.write(10);
    }
    gzip(&writer.archive(3));
    gzip(&writer.archive(2));
    let director = place.start(&device).await;
    place.arrived(&director, "a", writer.written).await;
    writer.write(1);
    place.arrived(&director, "a", writer.written).await;
    assert_eq!(director.stop().await.events, 0);
    place.receiver.assert_once("a", writer.written);
    assert_eq!(place.receiver.distinct("old"), 0, "archives from before are not read");
}

#[tokio::test(flavor = "multi_thread")]
async fn logrotate_loses_nothing_and_repeats_nothing() {
    let host = host_or_skip!(Shell::Dash);
    if !Path::new("/usr/sbin/logrotate").exists() {
        println!("SKIPPED: no logrotate");
        return;
    }
    let place = Place::new();
    let mut writer = Writer::open("a", host.log("a.log"));
    writer.write(10);
    let device = host.device(&format!(", path: \"{}\"", host.log("a.log").display()));
    let director = place.start(&device).await;
    place.arrived(&director, "a", 10).await;
    for (round, how) in ["copytruncate", "create", "create\ncompress"].into_iter().enumerate() {
        let config = host.path("logrotate.conf");
        let owner = format!("su {} {}\n", user(), group());
        let text = format!(
            "{owner}{} {{\n rotate 9\n {}\n}}\n",
            host.log("a.log").display(),
            how.replace('\n', "\n ")
        );
        fs::write(&config, text).expect("written");
        writer.write(10);
        let run = Command::new("/usr/sbin/logrotate")
            .args(["-f", "-s"])
            .arg(host.path(&format!("state-{round}")))
            .arg(&config)
            .output()
            .expect("logrotate runs");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        writer.file = append(&writer.path);
        writer.write(10);
        place.arrived(&director, "a", writer.written).await;
    }
    assert_eq!(director.stop().await.events, 0);
    place.receiver.assert_once("a", writer.written);
}

fn group() -> String {
    let output = Command::new("id").arg("-gn").output().expect("id runs");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_and_an_sshd_that_restarts_lose_nothing() {
    let mut host = host_or_skip!(Shell::Dash);
    let place = Place::new();
    let mut writer = Writer::open("a", host.log("a.log"));
    let device = host.device(&format!(", path: \"{}\"", host.log("a.log").display()));
    let director = place.start(&device).await;
    for _ in 0..3 {
        writer.write(5000);
        let some = writer.written - 4000;
        place.arrived(&director, "a", some).await;
        host.cut();
        writer.write(10);
        place.arrived(&director, "a", writer.written).await;
    }
    host.stop();
    writer.write(10);
    let said = says(&director, "refuses connections").await;
    assert!(said.contains("systemctl status ssh"), "{said}");
    host.run();
    place.arrived(&director, "a", writer.written).await;
    assert_eq!(director.stop().await.events, 0);
    place.receiver.assert_once("a", writer.written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_changes_its_address_is_read_on() {
    let mut host = host_or_skip!(Shell::Dash);
    let place = Place::new();
    let mut writer = Writer::open("a", host.log("a.log"));
    writer.write(100);
    let path = format!(", path: \"{}\"", host.log("a.log").display());
    let mut director = place.start(&host.device(&path)).await;
    place.arrived(&director, "a", 100).await;
    host.change_port();
    writer.write(100);
    director.apply(snapshot(&place.yaml(&host.device(&path)))).await.expect("applied");
    place.arrived(&director, "a", 200).await;
    assert_eq!(director.stop().await.events, 0);
    place.receiver.assert_once("a", 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_passes_within_the_budget() {
    let host = host_or_skip!(Shell::Dash);
    let place = Place::new();
    let mut writer = Writer::open("a", host.log("a.log"));
    for _ in 0..100 {
        writer.write(5000);
    }
    let device = format!(
        "memory: {{budget: 4MiB}}\n{}",
        host.device(&format!(", path: \"{}\"", host.log("a.log").display()))
    );
    let director = place.start(&device).await;
    let budget = director.view().budget().clone();
    let most = budget.capacity() + (1 << 20);
    let arrived = || {
        assert!(budget.used() <= most, "{} bytes are held", budget.used());
        place.receiver.distinct("a") as u64 == writer.written
    };
    until("all of it arrived", arrived).await;
    assert_eq!(director.stop().await.events, 0);
    place.receiver.assert_once("a", writer.written);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_followed_by_its_cursor() {
    let host = host_or_skip!(Shell::Dash);
    let journal = host.path("journal");
    // Stands in for journalctl, which needs a running systemd-journald: entry n has the cursor n.
    host.program(
        "journalctl",
        &format!(
            "#!/bin/sh\nn=0\nfor a; do case $a in --after-cursor=*) n=${{a#*=}};; esac; done\n\
             case \"$*\" in *'-o cat'*) exit 0;; esac\nexec tail -n +$((n + 1)) -f {}\n",
            journal.display()
        ),
    );
    let mut written = 0;
    let mut write = |count: u64| {
        let mut file = append(&journal);
        for number in written..written + count {
            writeln!(file, "{{\"__CURSOR\":\"{}\",\"MESSAGE\":\"j {number}\",\"_PID\":\"1\"}}", number + 1)
                .expect("written");
        }
        written += count;
    };
    write(2500);
    let place = Place::new();
    // Nothing is named: the journal is found.
    let device = host.device("");
    let director = place.start(&device).await;
    place.arrived(&director, "j", 2500).await;
    says(&director, "following the journal").await;
    host.cut();
    write(10);
    place.arrived(&director, "j", 2510).await;
    assert_eq!(director.stop().await.events, 0);
    write(10);
    let director = place.start(&device).await;
    place.arrived(&director, "j", 2520).await;
    assert_eq!(director.stop().await.events, 0);
    place.receiver.assert_once("j", 2520);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_facts_are_events() {
    let host = host_or_skip!(Shell::Dash);
    let folder = tempfile::tempdir().expect("temporary folder");
    let device = host.device(
        ", facts_interval: 3600, commands: [{name: hello, run: \"echo \\\"it's\\\" $((6 * 7)); exit 3\", interval: 3600}, \
         {name: slow, run: sleep 60, interval: 3600, timeout: 1}, {name: none, run: nosuchprogram, interval: 3600}]",
    );
    let yaml = format!(
        "{device}targets:\n  - {{name: out, type: file, properties: {{location: \"{}\", name: out.log, format: raw}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n",
        folder.path().display()
    );
    let options = Options { lanes: 1, root: folder.path().to_owned(), ..Options::default() };
    let director = Director::start(snapshot(&yaml), options).await.expect("started");
    let target = director.inventory().target("out").expect("there");
    until("all of them ran", || target.flow.delivered.get() == 4).await;
    let said = says(&director, "was given up after 1 s").await;
    assert!(said.contains("\"none\" is not there"), "{said}");
    assert_eq!(director.stop().await.events, 0);
    let text = fs::read_to_string(folder.path().join("out.log")).expect("readable");
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |name: &str| events.iter().find(|event| event["command"]["name"] == name).expect("there");
    assert_eq!(
        (&of("hello")["message"], &of("hello")["command"]["status"]),
        (&"it's 42\n".into(), &3.into())
    );
    assert_eq!(of("slow")["command"]["in_time"], false);
    assert!(events.iter().any(|event| event["host"]["kernel"].is_string()), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_trusted_only_when_its_key_is_known_or_new_ones_are_accepted_in_so_many_words() {
    let mut host = host_or_skip!(Shell::Dash);
    let place = Place::new();
    let path = format!(", path: \"{}\"", host.log("a.log").display());
    let pinned = format!("host_key: \"{}\"", host.fingerprint());
    let known_hosts = place.root.path().join("known_hosts");
    let by_file = format!("known_hosts: {}", known_hosts.display());
    let device = host.device(&path);

    let director = place.start(&device.replace(&pinned, &by_file)).await;
    let said = says(&director, "is not known").await;
    assert!(said.contains(&host.fingerprint()) && said.contains("ssh-keyscan -p"), "{said}");
    director.stop().await;
    assert!(!known_hosts.exists(), "nothing is trusted unasked");

    let accepting = device.replace(&pinned, &format!("{by_file}, accept_new_host_key: true"));
    let mut writer = Writer::open("a", host.log("a.log"));
    writer.write(1);
    let director = place.start(&accepting).await;
    place.arrived(&director, "a", 1).await;
    director.stop().await;

    let before = host.fingerprint();
    host.stop();
    keygen(&host.path("host_key"), "");
    host.run();
    let director = place.start(&accepting).await;
    let said = says(&director, "has changed").await;
    assert!(said.contains(&before) && said.contains(&host.fingerprint()), "both are shown: {said}");
    director.stop().await;
    let director = place.start(&device).await;
    let said = says(&director, "is another").await;
    assert!(said.contains(&before) && said.contains(&host.fingerprint()), "both are shown: {said}");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sign_in_says_what_to_do_and_shows_no_secret() {
    let host = host_or_skip!(Shell::Dash);
    let place = Place::new();
    let key = format!("private_key: {}", host.path("user_key").display());
    let device = host.device(&format!(", path: \"{}\"", host.log("a.log").display()));
    let director = place.start(&device.replace(&key, "password: not-the-password")).await;
    let said = says(&director, "refused the password").await;
    assert!(said.contains("faillock") && said.contains("trying again in 30 s"), "{said}");
    let activity =
        format!("{:?}{:?}{:?}", director.tree().activity(), director.tree().nodes(), director.snapshot());
    assert!(!activity.contains("not-the-password"), "a secret is shown");
    director.stop().await;

    keygen(&host.path("other_key"), "");
    let other = format!("private_key: {}", host.path("other_key").display());
    let director = place.start(&device.replace(&key, &other)).await;
    let said = says(&director, "refused the key").await;
    assert!(said.contains("authorized_keys"), "{said}");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_passphrase_signs_in() {
    let host = host_or_skip!(Shell::Dash);
    let place = Place::new();
    let mut writer = Writer::open("a", host.log("a.log"));
    writer.write(1);
    keygen(&host.path("user_key"), "open sesame");
    fs::copy(host.path("user_key.pub"), host.path("authorized_keys")).expect("copied");
    let device = host.device(&format!(", path: \"{}\"", host.log("a.log").display()));
    let director = place.start(&device).await;
    let said = says(&director, "it is encrypted").await;
    assert!(said.contains("passphrase_file"), "{said}");
    director.stop().await;
    let director =
        place.start(&device.replace("poll_interval", "passphrase: open sesame, poll_interval")).await;
    place.arrived(&director, "a", 1).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_be_read_is_named_with_the_mend() {
    let host = host_or_skip!(Shell::Dash);
    if user() == "root" {
        println!("SKIPPED: root may read everything");
        return;
    }
    let place = Place::new();
    let mut writer = Writer::open("a", host.log("a.log"));
    writer.write(1);
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&writer.path, fs::Permissions::from_mode(0o000)).expect("changed");
    let director = place.start(&host.device(&format!(", path: \"{}\"", writer.path.display()))).await;
    let said = says(&director, "may not read").await;
    assert!(said.contains("setfacl -m u:"), "{said}");
    fs::set_permissions(&writer.path, fs::Permissions::from_mode(0o600)).expect("changed");
    place.arrived(&director, "a", 1).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_tells_every_step() {
    let mut host = host_or_skip!(Shell::Dash);
    let mut writer = Writer::open("a", host.log("a.log"));
    writer.write(1);
    let device = host.device(&format!(", path: [\"{}\", /nonexistent/x.log]", host.log("a.log").display()));
    let snapshot = snapshot(&device);
    let mut told = Vec::new();
    let mut run = trial(&snapshot.devices[0]).expect("usable").expect("a Linux host can be tried");
    run.run(&mut |finding: Finding| told.push(finding.to_string())).await;
    let text = told.join("\n");
    for step in ["address", "port", "host key", "sign-in", "shell", "clock"] {
        assert!(told.iter().any(|line| line.starts_with(&format!("passed  {step}"))), "{step}: {text}");
    }
    assert!(text.contains("1 files can be read") && text.contains("no file matches yet"), "{text}");
    host.stop();
    told.clear();
    run.run(&mut |finding: Finding| told.push(finding.to_string())).await;
    assert!(told.last().is_some_and(|line| line.starts_with("FAILED  port")), "{told:?}");
}
