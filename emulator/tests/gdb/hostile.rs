//! Whatever comes over the connection, the server does not panic.

use proptest::prelude::*;

use crate::script::{debugger, packet, say};

/// Pieces of which packets are made.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("vCont;c".to_owned()),
        Just("vCont;s:1".to_owned()),
        Just("vCont;r0,ffffffff".to_owned()),
        Just("bc".to_owned()),
        Just("bs".to_owned()),
        Just("g".to_owned()),
        Just("G".to_owned()),
        Just("?".to_owned()),
        Just("qSupported:multiprocess+;xmlRegisters=i386".to_owned()),
        Just("qXfer:features:read:target.xml:".to_owned()),
        Just("qfThreadInfo".to_owned()),
        Just("Hg".to_owned()),
        "[0-9a-fA-F]{0,9}",
        "[a-zA-Z?]",
        "[,;:.#=*-]",
        "Z[0-4],[0-9a-f]{0,9},[0-9a-f]{0,9}",
        "z[0-4],[0-9a-f]{1,8},[0-9a-f]{1,8}",
        "m[0-9a-f]{1,9},[0-9a-f]{1,9}",
        "M[0-9a-f]{1,8},4:[0-9a-f]{0,16}",
        "G[0-9a-f]{180,190}",
        "qThreadExtraInfo,[0-9a-f]{0,8}",
        (
            prop_oneof![
                Just("time"),
                Just("goto"),
                Just("event"),
                Just("tasks"),
                Just("hash"),
                Just("allow-writes on"),
                Just("step-interrupts on")
            ],
            "[ #0-9a-z.]{0,12}"
        )
            .prop_map(|(name, rest)| {
                let text = format!("{name} {rest}");
                format!("qRcmd,{}", text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())
            }),
        "\\PC{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn packets_of_any_content(packets in proptest::collection::vec(proptest::collection::vec(piece(), 1..4), 0..12)) {
        let mut bytes = Vec::new();
        for pieces in packets {
            bytes.extend(packet(&pieces.concat()));
        }
        let _ = say(&mut debugger(), &bytes, Some(2));
    }

    #[test]
    fn bytes_of_any_kind(bytes: Vec<u8>, marks in proptest::collection::vec((any::<proptest::sample::Index>(), prop_oneof![Just(b'$'), Just(b'#'), Just(3)]), 0..6)) {
        let mut bytes = bytes;
        for (at, mark) in marks {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = mark;
            }
        }
        let _ = say(&mut debugger(), &bytes, None);
    }
}

/// Longer than any buffer.
#[test]
fn an_endless_packet() {
    let bytes = [b"$m".to_vec(), vec![b'0'; 100_000], b"#00".to_vec()].concat();
    let _ = say(&mut debugger(), &bytes, None);
}
