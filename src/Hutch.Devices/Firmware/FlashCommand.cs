namespace Hutch.Devices.Firmware;

/// <summary>What a flash chip does with the next access; most values are the command's own number (Intel 28FxxxJ3 data sheet, table 4).</summary>
internal enum FlashCommand : byte
{
    /// <summary>A word program's data comes.</summary>
    ProgramData = 0x10,

    /// <summary>A block erase waits for its confirmation.</summary>
    EraseConfirm = 0x20,

    /// <summary>A block lock command waits for its second half.</summary>
    LockSetup = 0x60,

    /// <summary>Reads give the status register.</summary>
    ReadStatus = 0x70,

    /// <summary>Reads give the identifier codes.</summary>
    ReadId = 0x90,

    /// <summary>Reads give the common flash interface's table.</summary>
    ReadQuery = 0x98,

    /// <summary>The count of a buffered program comes.</summary>
    BufferCount = 0xe8,

    /// <summary>Its data comes. No command of the chip's.</summary>
    BufferData = 0xe9,

    /// <summary>It waits for its confirmation. No command of the chip's.</summary>
    BufferConfirm = 0xea,

    /// <summary>Reads give the array.</summary>
    ReadArray = 0xff,
}
