//! Whatever is on the bus.

use proptest::prelude::*;

use super::*;

/// What a host may do, sensible or not.
#[derive(Clone, Debug)]
enum Step {
    Byte(u8),
    Command(u8, u32),
    Block(u8, u8),
    Select(bool),
    Wait(u32),
    Edge(bool, bool),
    Power,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<u8>().prop_map(Step::Byte),
        6 => (0u8..64, prop_oneof![0u32..70_000, any::<u32>()]).prop_map(|(index, argument)| Step::Command(index, argument)),
        3 => (prop::sample::select(vec![0xfe, 0xfc, 0xfd]), any::<u8>()).prop_map(|(token, fill)| Step::Block(token, fill)),
        1 => any::<bool>().prop_map(Step::Select),
        1 => (0u32..400_000).prop_map(Step::Wait),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(sck, mosi)| Step::Edge(sck, mosi)),
        1 => Just(Step::Power),
    ]
}

fn perform(host: &mut Host, step: &Step) {
    match *step {
        Step::Byte(byte) => _ = host.send(byte),
        Step::Command(index, argument) => _ = host.command(index, argument),
        Step::Block(token, fill) => _ = host.send_block(token, &[fill; 512]),
        Step::Select(is_selected) => host.select(is_selected),
        Step::Wait(us) => host.now_ps += u64::from(us) * PS_PER_US,
        Step::Edge(sck, mosi) => host.card.edge(sck, mosi, host.now_ps, &mut host.decisions),
        Step::Power => host.cut_power(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// No panic, and the card works again after CMD0, given the time of its longest work and the rest of a block.
    #[test]
    fn it_recovers_from_anything(steps in prop::collection::vec(step(), 0..40), seed: u64) {
        let mut host = Host::with(SdConfig::default(), image(64 * MIB), seed);
        host.initialise();
        steps.iter().for_each(|step| perform(&mut host, step));
        host.select(false);
        host.select(true);
        (0..515).for_each(|_| _ = host.read());
        host.now_ps += 1_000_000_000_000;
        host.initialise();
        prop_assert_eq!(host.command(9, 0), 0);
        let csd: [u8; 16] = host.block();
        // Write protection may be on by now, but for that it writes.
        let is_protected = csd[14] & 0x30 != 0;
        let groups = (host.command(30, 0), host.block::<4>()).1;
        if !is_protected && groups[3] & 1 == 0 {
            prop_assert_eq!(host.write_block(0, &pattern(9)), 0x05);
            prop_assert_eq!(host.read_block(0), pattern(9));
        }
    }

    /// A state that is written and read goes on as the one it was made of.
    #[test]
    fn a_state_goes_on_where_it_was(before in prop::collection::vec(step(), 0..20), after in prop::collection::vec(step(), 0..10)) {
        let mut host = Host::with(SdConfig::default(), image(64 * MIB), 3);
        host.initialise();
        before.iter().for_each(|step| perform(&mut host, step));
        let mut other = host.clone();
        other.card = postcard::from_bytes(&postcard::to_stdvec(&host.card).unwrap()).unwrap();
        prop_assert!(other.card.storage_mut().attach(&image(64 * MIB)));
        after.iter().for_each(|step| perform(&mut host, step));
        after.iter().for_each(|step| perform(&mut other, step));
        prop_assert_eq!(postcard::to_stdvec(&host.card).unwrap(), postcard::to_stdvec(&other.card).unwrap());
    }
}
