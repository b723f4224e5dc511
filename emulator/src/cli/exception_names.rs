//! Names of exceptions and interrupts: ARMv7-M table B1-4, and RM0033 table 61 for the interrupts.

const INTERRUPTS: [&str; 81] = [
    "WWDG",
    "PVD",
    "TAMP_STAMP",
    "RTC_WKUP",
    "FLASH",
    "RCC",
    "EXTI0",
    "EXTI1",
    "EXTI2",
    "EXTI3",
    "EXTI4",
    "DMA1_Stream0",
    "DMA1_Stream1",
    "DMA1_Stream2",
    "DMA1_Stream3",
    "DMA1_Stream4",
    "DMA1_Stream5",
    "DMA1_Stream6",
    "ADC",
    "CAN1_TX",
    "CAN1_RX0",
    "CAN1_RX1",
    "CAN1_SCE",
    "EXTI9_5",
    "TIM1_BRK_TIM9",
    "TIM1_UP_TIM10",
    "TIM1_TRG_COM_TIM11",
    "TIM1_CC",
    "TIM2",
    "TIM3",
    "TIM4",
    "I2C1_EV",
    "I2C1_ER",
    "I2C2_EV",
    "I2C2_ER",
    "SPI1",
    "SPI2",
    "USART1",
    "USART2",
    "USART3",
    "EXTI15_10",
    "RTC_Alarm",
    "OTG_FS_WKUP",
    "TIM8_BRK_TIM12",
    "TIM8_UP_TIM13",
    "TIM8_TRG_COM_TIM14",
    "TIM8_CC",
    "DMA1_Stream7",
    "FSMC",
    "SDIO",
    "TIM5",
    "SPI3",
    "UART4",
    "UART5",
    "TIM6_DAC",
    "TIM7",
    "DMA2_Stream0",
    "DMA2_Stream1",
    "DMA2_Stream2",
    "DMA2_Stream3",
    "DMA2_Stream4",
    "ETH",
    "ETH_WKUP",
    "CAN2_TX",
    "CAN2_RX0",
    "CAN2_RX1",
    "CAN2_SCE",
    "OTG_FS",
    "DMA2_Stream5",
    "DMA2_Stream6",
    "DMA2_Stream7",
    "USART6",
    "I2C3_EV",
    "I2C3_ER",
    "OTG_HS_EP1_OUT",
    "OTG_HS_EP1_IN",
    "OTG_HS_WKUP",
    "OTG_HS",
    "DCMI",
    "CRYP",
    "HASH_RNG",
];

/// The name of an exception number (16 is the first interrupt).
pub fn exception_name(exception: usize) -> String {
    let system = match exception {
        1 => "Reset",
        2 => "NMI",
        3 => "HardFault",
        4 => "MemManage",
        5 => "BusFault",
        6 => "UsageFault",
        11 => "SVCall",
        12 => "DebugMonitor",
        14 => "PendSV",
        15 => "SysTick",
        _ => match exception.checked_sub(16).and_then(|irq| INTERRUPTS.get(irq)) {
            Some(name) => name,
            None => return format!("exception {exception}"),
        },
    };
    system.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_positions_have_their_names() {
        // Measured on genuine firmware: device.md.
        for (irq, name) in
            [(23, "EXTI9_5"), (28, "TIM2"), (39, "USART3"), (40, "EXTI15_10"), (67, "OTG_FS"), (73, "I2C3_ER")]
        {
            assert_eq!(exception_name(16 + irq), name);
        }
        assert_eq!(exception_name(96), "HASH_RNG");
        assert_eq!(exception_name(97), "exception 97");
    }
}
