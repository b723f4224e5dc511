use lockstep::rtos::*;
fn main() {
    let p: Vec<String> = std::env::args().collect();
    let b = std::fs::read(&p[1]).unwrap();
    let flash = &b[b.len() - (1 << 20)..];
    let e = b.len() - (1 << 20) - 3;
    let sram = &b[e - 131072..e];
    let m = MemoryCopy { sram, flash };
    let mut o = RtosObserver::default();
    let r = o.survey_memory(&m, u32::from_str_radix(&p[2], 16).unwrap()).unwrap();
    for t in &r.tasks {
        println!("{} {:#x} {:?} base {:#x} limit {:#x} sp {:#x} {:x?}", t.title(), t.tcb, t.state, t.stack_base, t.stack_limit, t.stack_pointer, t.waits_for);
        let c = chain::chain(&m, chain::saved_context(&m, t.stack_pointer).unwrap(), t.stack_limit);
        for f in &c.frames {
            println!("   {:08x} sp {:08x} slot {:x?} {:?}", f.pc, f.sp, f.slot, f.trust);
        }
        println!("   end {:x?}", c.end);
    }
    for x in &r.objects {
        println!("{:x?}", x);
    }
}
