namespace Hutch.Devices.Virtio.Input;

/// <summary>Keys by their scan code set 1 codes as <see cref="IKeyboard"/> has them, and their codes in Linux (linux/input-event-codes.h).</summary>
internal static class KeyCodes
{
    private const int ExtendedBit = 0x80;

    // Linux numbered the keys of the first PCs as their scan codes.
    private const int LastSame = 0x58, SystemRequestCode = 0x54, NoKey = 0x55, SystemRequest = 99;

    /// <summary>Linux's code of a key; 0: it has none.</summary>
    internal static byte Find(byte key) => (key & ExtendedBit) != 0 ? Extended(key & ~ExtendedBit)
        : key == SystemRequestCode ? (byte)SystemRequest : key <= LastSame && key != NoKey ? key : Late(key);

    // Keys of Japanese and large keyboards.
    private static byte Late(int code) => code switch
    {
        0x59 => 117,
        0x70 => 93,
        0x73 => 89,
        0x79 => 92,
        0x7b => 94,
        0x7d => 124,
        0x7e => 121,
        _ => 0,
    };

    private static byte Extended(int code) => code switch
    {
        0x1c => 96,
        0x1d => 97,
        0x20 => 113,
        0x2e => 114,
        0x30 => 115,
        0x35 => 98,
        0x37 => 99,
        0x38 => 100,
        0x46 => 119,
        0x47 => 102,
        0x48 => 103,
        0x49 => 104,
        0x4b => 105,
        0x4d => 106,
        0x4f => 107,
        0x50 => 108,
        0x51 => 109,
        0x52 => 110,
        0x53 => 111,
        0x5b => 125,
        0x5c => 126,
        0x5d => 127,
        0x5e => 116,
        _ => 0,
    };
}
