//! The worked example of MS-NLMP 4.2.4 and recorded exchanges of another implementation, both sides.

use std::path::Path;

use serde_json::Value;

use super::message::Authenticate;
use super::*;
use crate::winrm::channel_binding::ChannelBinding;
use crate::winrm::credentials::{Credentials, Secret};
use crate::winrm::negotiate::{Acceptor, Step};
use crate::winrm::sealed_body;

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn hex16(text: &str) -> [u8; 16] {
    hex(text).try_into().unwrap()
}

#[test]
fn the_worked_example_of_the_specification_is_met() {
    use hmac::Mac;
    let credentials = Credentials::new(r"Domain\User", "Password");
    let key = keys::response_key(&credentials.account, credentials.password());
    assert_eq!(*key.expose(), hex16("0c868a403bfd7a93a3001ef22ef02e3f"));
    let server_challenge = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    let info = hex("02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000");
    let blob = keys::client_blob(0, &[0xaa; 8], &info);
    let proof: [u8; 16] = keys::proof(&key, &server_challenge, &blob).finalize().into_bytes().into();
    assert_eq!(proof, hex16("68cd0ab851e51c96aabc927bebef6a1c"));
    let base = keys::base_key(&key, &proof);
    assert_eq!(*base.expose(), hex16("8de40ccadbc14a82f15cb0ad0de95ca3"));
    let session_key = Secret::new([0x55; 16]);
    assert_eq!(keys::exchange(&base, session_key.expose()), hex16("c5dad2544fc9799094ce1ce90bc9d03e"));
    let sealing = keys::sealing_key(&session_key, keys::Direction::ToServer);
    assert_eq!(*sealing.expose(), hex16("59f600973cc4960a25480a7c196e4c58"));
    let signing = keys::signing_key(&session_key, keys::Direction::ToServer);
    assert_eq!(*signing.expose(), hex16("4788dc861b4782f35d43fd98fe1a2d39"));
    let mut message = utf16("Plaintext");
    let signature = Session::client(&session_key).seal(&mut message);
    assert_eq!(message, hex("54e50165bf1936dc996020c1811b0f06fb5f"));
    assert_eq!(signature.to_vec(), hex("010000007fb38ec5c55d497600000000"));
}

/// The recorded exchanges; `None` where the vectors are not there.
fn exchanges() -> Option<Value> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/winrm/ntlm/pyspnego-exchange.json");
    if !Path::new(path).exists() {
        println!("SKIPPED: no vectors at {path}");
        return None;
    }
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

struct Exchange {
    /// NEGOTIATE, CHALLENGE, AUTHENTICATE, without SPNEGO.
    tokens: [Vec<u8>; 3],
    wrapped: Option<Vec<Vec<u8>>>,
    binding: Option<ChannelBinding>,
    session_key: Secret<16>,
    messages: Vec<Value>,
}

fn exchange(all: &Value, name: &str) -> Exchange {
    let one = &all[name];
    let recorded: Vec<Vec<u8>> =
        one["tokens_hex"].as_array().unwrap().iter().map(|token| hex(token.as_str().unwrap())).collect();
    let bare = |token: &Vec<u8>| {
        let begin = memchr::memmem::find(token, b"NTLMSSP\0").unwrap();
        token[begin..].to_vec()
    };
    let binding = one["channel_binding_application_data_hex"].as_str();
    Exchange {
        tokens: [bare(&recorded[0]), bare(&recorded[1]), bare(&recorded[2])],
        wrapped: (name == "spnego_wrapped").then_some(recorded),
        binding: binding.map(|data| ChannelBinding::of_application_data(&hex(data))),
        session_key: Secret::new(hex16(one["session_key_hex"].as_str().unwrap())),
        messages: one["messages"].as_array().unwrap().clone(),
    }
}

fn credentials(all: &Value) -> Credentials {
    let name = format!("{}\\{}", all["domain"].as_str().unwrap(), all["user"].as_str().unwrap());
    Credentials::new(&name, all["password"].as_str().unwrap())
}

fn server_options(exchange: &Exchange) -> ServerOptions {
    ServerOptions {
        computer: "VM".into(),
        dns_computer: "vm".into(),
        challenge: exchange.tokens[1][24..32].try_into().unwrap(),
        now: 0,
        channel_binding: exchange.binding.clone(),
    }
}

/// Seals and opens the recorded messages as both ends, and compares each byte.
fn replay(exchange: &Exchange, mut client: Session, mut server: Session) {
    assert_eq!(exchange.messages.len(), 4);
    for message in &exchange.messages {
        let plain = hex(message["plaintext_hex"].as_str().unwrap());
        let body = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            message["http_body_base64"].as_str().unwrap(),
        )
        .unwrap();
        let (from, to) = match message["from"].as_str().unwrap() {
            "client" => (&mut client, &mut server),
            _ => (&mut server, &mut client),
        };
        assert_eq!(sealed_body::seal(from, std::str::from_utf8(&plain).unwrap()), body);
        let opened = sealed_body::open(to, &body).unwrap();
        assert_eq!((opened.message, opened.charset.as_deref()), (plain, Some("UTF-8")));
    }
}

#[test]
fn a_recorded_client_is_accepted_and_its_messages_are_opened() {
    let Some(all) = exchanges() else { return };
    for name in ["raw_ntlm", "raw_ntlm_with_cbt"] {
        let exchange = exchange(&all, name);
        let [negotiate, challenge, authenticate] = &exchange.tokens;
        let server = Server::recorded(negotiate, challenge, server_options(&exchange));
        let (account, key) = server.verify(authenticate, |_| Some(credentials(&all))).unwrap();
        assert_eq!(account.to_string(), r"LAB\svc-collect");
        assert_eq!(key, exchange.session_key, "{name}");
        replay(&exchange, Session::client(&key), Session::server(&key));
    }
}

#[test]
fn a_recorded_client_in_spnego_is_answered_byte_for_byte() {
    let Some(all) = exchanges() else { return };
    let exchange = exchange(&all, "spnego_wrapped");
    let [negotiate, challenge, _] = &exchange.tokens;
    let tokens = exchange.wrapped.as_ref().unwrap();
    let server = Server::recorded(negotiate, challenge, server_options(&exchange));
    let mechanisms = hex("300c060a2b06010401823702020a");
    let mut acceptor = Acceptor::recorded(server, Some(mechanisms.clone()));
    let step = acceptor.step(&tokens[2], || unreachable!(), |_| Some(credentials(&all))).unwrap();
    let Step::Done { token, session, .. } = step else { panic!("{step:?}") };
    assert_eq!(token.as_ref(), Some(&tokens[3]));
    let mut client = Session::client(&exchange.session_key);
    client.sign_mechanisms(&mechanisms);
    let code = &tokens[3][tokens[3].len() - SIGNATURE_BYTES..];
    client.verify_mechanisms(code, &mechanisms).unwrap();
    replay(&exchange, client, *session);

    // From the first token on, with a challenge of our own.
    let mut acceptor = Acceptor::default();
    let step = acceptor.step(&tokens[0], || server_options(&exchange), |_| None).unwrap();
    let Step::Continue(answer) = step else { panic!("{step:?}") };
    assert!(answer.starts_with(&[0xa1]) && memchr::memmem::find(&answer, b"NTLMSSP\0\x02").is_some());
}

#[test]
fn our_client_writes_what_the_recorded_one_wrote() {
    let Some(all) = exchanges() else { return };
    for name in ["raw_ntlm", "raw_ntlm_with_cbt", "spnego_wrapped"] {
        let exchange = exchange(&all, name);
        let [negotiate, challenge, authenticate] = &exchange.tokens;
        let recorded = Authenticate::read(authenticate).unwrap();
        let options = ClientOptions {
            target_name: Some(all["spn"].as_str().unwrap().to_owned()),
            channel_binding: exchange.binding.clone(),
            workstation: "COLLECTOR".into(),
        };
        let version = negotiate[32..40].try_into().unwrap();
        let client = Client::with_version(options, version);
        assert_eq!(client.negotiate(), negotiate);
        let random = Random {
            client_challenge: recorded.nt_response[32..40].try_into().unwrap(),
            session_key: exchange.session_key.clone(),
            now: 0,
        };
        let (message, _) = client.authenticate(challenge, &credentials(&all), &random).unwrap();
        // Behind SPNEGO's token stands its integrity code.
        assert_eq!(message, authenticate[..message.len()], "{name}");
    }
}

fn handshake(
    client_binding: Option<ChannelBinding>,
    server_binding: Option<ChannelBinding>,
    password: &str,
) -> Result<(Session, Session), NtlmError> {
    let options = ClientOptions { channel_binding: client_binding, ..ClientOptions::default() };
    let client = Client::begin(options);
    let options = ServerOptions {
        computer: "SRV1".into(),
        dns_computer: "srv1.lab.example".into(),
        challenge: [7; 8],
        now: 133_000_000_000_000_000,
        channel_binding: server_binding,
    };
    let server = Server::begin(client.negotiate(), options)?;
    let random = Random { client_challenge: [3; 8], session_key: Secret::new([9; 16]), now: 0 };
    let credentials = Credentials::new(r"LAB\Ünal", password);
    let (message, ours) = client.authenticate(server.challenge(), &credentials, &random)?;
    let (_, theirs) = server.accept(&message, |account| {
        assert_eq!(account.to_string(), r"LAB\Ünal");
        Some(Credentials::new(r"lab\ünal", "right"))
    })?;
    Ok((ours, theirs))
}

#[test]
fn only_the_right_password_through_the_right_connection_signs_in() {
    let binding = |data: &[u8]| Some(ChannelBinding::of_application_data(data));
    assert!(handshake(None, None, "right").is_ok());
    assert!(handshake(binding(b"a"), binding(b"a"), "right").is_ok());
    assert!(matches!(handshake(None, None, "wrong"), Err(NtlmError::Refused(_))));
    let other = handshake(binding(b"a"), binding(b"b"), "right");
    assert!(matches!(other, Err(NtlmError::ChannelBinding)));
    assert!(matches!(handshake(None, binding(b"b"), "right"), Err(NtlmError::ChannelBinding)));
}

#[test]
fn a_handshake_that_was_changed_is_refused() {
    let client = Client::begin(ClientOptions::default());
    let options = ServerOptions {
        computer: "SRV1".into(),
        dns_computer: "srv1".into(),
        challenge: [7; 8],
        now: 1,
        channel_binding: None,
    };
    let server = Server::begin(client.negotiate(), options).unwrap();
    let mut weak = server.challenge().to_vec();
    weak[20] &= !(flags::SEAL as u8);
    let random = Random { client_challenge: [3; 8], session_key: Secret::new([9; 16]), now: 0 };
    let credentials = Credentials::new("user", "right");
    let refused = Client::begin(ClientOptions::default()).authenticate(&weak, &credentials, &random);
    assert_eq!(refused.unwrap_err(), NtlmError::Weak("sealing"));
    let (message, _) = client.authenticate(server.challenge(), &credentials, &random).unwrap();
    for at in [message::MIC_OFFSET, 60 + 3, message.len() - 1] {
        let mut changed = message.clone();
        changed[at] ^= 0x80;
        let refused = server.accept(&changed, |_| Some(credentials.clone())).unwrap_err();
        assert!(matches!(refused, NtlmError::Integrity), "{at}: {refused}");
    }
    for cut in 0..message.len() {
        assert!(server.accept(&message[..cut], |_| Some(credentials.clone())).is_err());
    }
}

#[test]
fn messages_are_opened_once_and_in_order() {
    let (mut client, mut server) = handshake(None, None, "right").unwrap();
    let mut first = b"first".to_vec();
    let signature = client.seal(&mut first);
    let mut again = first.clone();
    server.unseal(&signature, &mut first).unwrap();
    assert_eq!(first, b"first");
    let repeated = server.unseal(&signature, &mut again);
    assert_eq!(repeated, Err(SessionError::Number { expected: 1, found: 0 }));

    let (mut client, mut server) = handshake(None, None, "right").unwrap();
    let mut message = b"message".to_vec();
    let signature = client.seal(&mut message);
    message[0] ^= 1;
    assert_eq!(server.unseal(&signature, &mut message), Err(SessionError::Checksum));
    assert_eq!(server.unseal(&signature[1..], &mut []), Err(SessionError::Signature));
}
