using Hutch.Core.Bus;

namespace Hutch.Devices.Chipset;

/// <summary>The A20 gate as the guest last set it. Our CPUs have no A20 pin: address bit 20 always passes, and only the bit is kept.</summary>
internal sealed class A20Gate
{
    private volatile bool _enabled = true;

    /// <summary>Whether address bit 20 passes, as far as the guest can read.</summary>
    public bool Enabled
    {
        get => _enabled;
        set => _enabled = value;
    }
}

/// <summary>System control port A, port 0x92 (PS/2 technical reference; Intel ICH9 data sheet §13.7.2): fast A20 and fast reset.</summary>
internal sealed class SystemControlPort(A20Gate a20, IPlatformEvents platform) : IByteRegisters
{
    private const byte FastReset = 0x01, A20 = 0x02;

    /// <summary>Puts the register at 0x92.</summary>
    public void MapOn(AddressBus ports) => ports.Map("port92", 0x92, 1, new ByteWindow(this, 0));

    /// <inheritdoc/>
    public byte ReadRegister(int register) => a20.Enabled ? A20 : (byte)0;

    /// <inheritdoc/>
    public void WriteRegister(int register, byte value)
    {
        a20.Enabled = (value & A20) != 0;
        if ((value & FastReset) != 0) platform.Reset();
    }
}
