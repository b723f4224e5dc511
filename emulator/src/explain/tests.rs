use lockstep_engine::CoreRegisters;
use lockstep_images::SymbolTable;
use lockstep_peripherals::Now;
use lockstep_peripherals::board::RgbLed;
use proptest::prelude::*;

use super::*;
use crate::core::faults::Fault;
use crate::machine::GuestFault;
use crate::places::Places;
use crate::rtos::TaskClock;
use crate::rtos::synthetic::{CURRENT, Memory, SUSPENDED, TCBS, system};
use crate::world::{FLASH_BASE, SRAM_BASE};

const IDLE: u32 = TCBS[0];
const APP: u32 = TCBS[1];
const SYSTEM: u32 = TCBS[2];
const PS_PER_MS: u64 = 1_000_000_000;

/// A system whose running task is known.
struct Scene {
    memory: Memory,
    flash: Vec<u8>,
    clock: TaskClock,
    now_ps: u64,
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self { memory: system(), flash: vec![0xff; 0x4000], clock: TaskClock::default(), now_ps: 0 };
        for tcb in [APP, IDLE, APP, IDLE, SYSTEM, APP] {
            scene.ran(tcb);
        }
        scene
    }

    fn ran(&mut self, tcb: u32) {
        self.now_ps += PS_PER_MS;
        self.memory.set(CURRENT, tcb);
        self.clock.switched(&self.memory.copy(), tcb - 200, self.now_ps);
    }

    fn code(&mut self, offset: usize, halves: &[u16]) {
        for (n, half) in halves.iter().enumerate() {
            self.flash[offset + 2 * n..][..2].copy_from_slice(&half.to_le_bytes());
        }
    }

    fn moment(&self, reason: Reason, registers: CoreRegisters) -> Moment {
        Moment {
            reason,
            now: Now { time_ps: self.now_ps, ..Now::default() },
            instructions: 1,
            registers,
            status: FaultStatus::default(),
            sram: self.memory.bytes.clone(),
            flash: self.flash.clone(),
            clock: Some(self.clock.clone()),
            at: Vec::new(),
            update: None,
            cloud: Vec::new(),
            sockets: Vec::new(),
            led: RgbLed::new().state(0),
        }
    }
}

fn explain(moment: &Moment, last_write: Option<&LastWrite>) -> Explanation {
    let places = Places::new(SymbolTable::default(), &moment.flash);
    Explanation::of(&Evidence { moment, findings: &[], led: &[], resets: &[], places: &places, last_write })
}

fn says(explanation: &Explanation, part: &str) -> bool {
    explanation.causes.iter().any(|cause| cause.text.contains(part))
}

/// Thread mode on the process stack.
fn thread(pc: u32, sp: u32, lr: u32) -> CoreRegisters {
    CoreRegisters { pc, psp: sp, lr, control: 2, ..CoreRegisters::default() }
}

#[test]
fn tasks_that_wait_for_each_other_are_a_deadlock_told_once() {
    let mut scene = Scene::new();
    let (first, second) = (SRAM_BASE + 0x5100, SRAM_BASE + 0x5200);
    for (mutex, holder, waiter) in [(first, SYSTEM, TCBS[4]), (second, TCBS[4], SYSTEM)] {
        scene.memory.mutex(mutex, true);
        scene.memory.hold(mutex, holder, 1);
        scene.memory.moves(waiter, SUSPENDED, Some(mutex + 36));
    }
    scene.ran(APP);
    let explanation = explain(&scene.moment(Reason::Asked, thread(FLASH_BASE, APP - 200, 0)), None);
    let told: Vec<_> = explanation.causes.iter().filter(|cause| cause.text.contains("Deadlock")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let text = &told[0].text;
    assert!(text.contains("system waits for 0x20005200; stopped waits for 0x20005100"), "{text}");
    assert_eq!(explanation.objects.len(), 2);
    assert!(explanation.objects[0].text.contains("held by system; waiting for it: stopped"));
}

/// As M2 of the field's fault: the same calls again and again, until the stack leaves its block.
#[test]
fn a_recursion_that_leaves_its_stack_is_told() {
    let mut scene = Scene::new();
    // push {r4, r5, r6, lr}; sub sp, #48; bl itself; add sp, #48; pop {r4, r5, r6, pc}. Then: bl of it, and back.
    scene.code(0, &[0xb570, 0xb08c, 0xf7ff, 0xfffc, 0xb00c, 0xbd70]);
    scene.code(0x200, &[0xb510, 0xf7ff, 0xfefd, 0xbd10]);
    let (rounds, round_bytes) = (9, 64);
    // Its stack has 512 bytes below its control block.
    let sp = SYSTEM - 32 - rounds * round_bytes;
    for round in 0..rounds {
        let returns_to = if round + 1 == rounds { FLASH_BASE + 0x206 } else { FLASH_BASE + 8 };
        scene.memory.set(sp + round * round_bytes + 60, returns_to | 1);
    }
    scene.memory.set(sp + rounds * round_bytes + 4, FLASH_BASE + 0x3001);
    scene.ran(SYSTEM);
    let fault = GuestFault { now: Now::default(), pc: FLASH_BASE + 8, fault: Fault::DataBus(0x10), lr: FLASH_BASE + 9 };
    let mut moment = scene.moment(Reason::Fault(fault), thread(FLASH_BASE + 8, sp, FLASH_BASE + 9));
    moment.status = FaultStatus { cfsr: 1 << 9 | 1 << 15, bfar: 0x10, ..FaultStatus::default() };
    let explanation = explain(&moment, None);
    let text = page(&explanation);
    assert!(says(&explanation, "The thread system took PRECISERR at 0x08000008"), "{text}");
    assert!(says(&explanation, "It accessed 0x00000010: a null pointer, with an offset"), "{text}");
    assert!(says(&explanation, "The stack of system is overrun by 96 bytes"), "{text}");
    assert!(says(&explanation, "in a recursion of 9 rounds of 1 calls; each takes 64 bytes"), "{text}");
    assert!(text.contains("x 9, 64 bytes of stack each"), "{text}");
}

#[test]
fn who_wrote_a_return_address_is_told_when_it_was_found_out() {
    let mut scene = Scene::new();
    // A call at 0x100: what stands behind it is a return address.
    scene.code(0x100, &[0xf7ff, 0xfffe, 0xbd10]);
    let sp = SYSTEM - 100;
    scene.memory.set(sp - 4, 0x0100_0105);
    scene.ran(SYSTEM);
    let fault = GuestFault { now: Now::default(), pc: 0x0100_0104, fault: Fault::InstructionBus, lr: 0 };
    let moment = scene.moment(Reason::Fault(fault), thread(0x0100_0104, sp, 0));
    let open = explain(&moment, None);
    assert!(open.causes.iter().any(|cause| cause.is_open && cause.text.contains("Who wrote")), "{:?}", open.causes);
    assert!(says(&open, "looks like 0x08000105 with its top byte replaced by 01"), "{:?}", open.causes);
    let write = LastWrite {
        address: sp - 1,
        bytes: 1,
        before: 0x0800_0105,
        after: 0x0100_0105,
        time_ps: 7 * PS_PER_MS,
        pc: FLASH_BASE + 0x40,
        sp: APP - 60,
        task: Some(APP),
    };
    let known = explain(&moment, Some(&write));
    assert!(says(&known, "by app, at 0x08000040: 1 bytes at 0x20003f9b, on the stack of system"), "{:?}", known.causes);
    assert!(!known.causes.iter().any(|cause| cause.is_open), "{:?}", known.causes);
}

#[test]
fn a_command_without_an_answer_is_told_with_its_age() {
    let scene = Scene::new();
    let mut moment = scene.moment(Reason::Asked, thread(FLASH_BASE, APP - 200, 0));
    let line = |time_ms: u64, to_modem: bool, text: &str| AtSeen {
        time_ps: time_ms * PS_PER_MS,
        to_modem,
        is_payload: false,
        text: text.to_owned(),
        task: to_modem.then_some(APP),
    };
    moment.at =
        vec![line(1, true, "AT"), line(2, false, "OK"), line(3, true, "AT+USOCO=0"), line(4, false, "+UUSORD: 1,2")];
    moment.now.time_ps = 20_003 * PS_PER_MS;
    let explanation = explain(&moment, None);
    assert_eq!(explanation.unanswered.as_ref().map(|u| u.age_ps), Some(20_000 * PS_PER_MS));
    assert!(says(&explanation, "not answered AT+USOCO=0 for 20.0 s"));
    moment.at.push(line(5, false, "+CME ERROR: 3"));
    assert_eq!(explain(&moment, None).unanswered, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_memory_and_registers_never_panic(
        changes in proptest::collection::vec((0u32..0x8000, any::<u32>()), 0..40),
        code in proptest::collection::vec(any::<u16>(), 0..200),
        pc: u32, sp in prop_oneof![any::<u32>(), SRAM_BASE..SRAM_BASE + 0x8000], lr: u32, handler: bool, kind in 0..3,
    ) {
        let mut scene = Scene::new();
        scene.code(0, &code);
        for (offset, value) in changes {
            scene.memory.set(SRAM_BASE + 4 * offset, value);
        }
        let registers = CoreRegisters { xpsr: u32::from(handler) * 3, msp: sp, ..thread(pc, sp, lr) };
        let fault = GuestFault { now: Now::default(), pc, fault: Fault::InstructionBus, lr };
        let reason = [Reason::Asked, Reason::LockUp, Reason::Fault(fault)][kind as usize];
        let explanation = explain(&scene.moment(reason, registers), None);
        prop_assert!(page(&explanation).contains("EXPLANATION"));
        prop_assert!(serde_json::to_string(&explanation).is_ok());
    }
}
