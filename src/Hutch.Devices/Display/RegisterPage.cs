using System;
using System.Buffers.Binary;
using Hutch.Core.Bus;

namespace Hutch.Devices.Display;

/// <summary>
/// The page of registers in BAR 2 (QEMU docs/specs/standard-vga, "MMIO area spec"): an EDID at 0, the VGA ports 0x3c0 to 0x3df at 0x400, the display interface flat at 0x500, and two words
/// at 0x600 that say how long they are and that memory is little-endian.
/// </summary>
internal sealed class RegisterPage : IBusDevice
{
    /// <summary>Length in bytes.</summary>
    internal const int LengthBytes = 4096;

    private const int PreferredWidth = 1280, PreferredHeight = 800;
    private const int Vga = 0x400, VgaFirstPort = 0x3c0, VgaPorts = 0x20, Dispi = 0x500, Extended = 0x600, ExtendedBytes = 8;
    private const uint LittleEndian = 0x1e1e_1e1e;

    private readonly VgaCard _card;
    private readonly byte[] _edid = new byte[Edid.BlockBytes];

    internal RegisterPage(VgaCard card)
    {
        _card = card;
        Edid.Write(_edid, PreferredWidth, PreferredHeight);
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        data.Clear();
        int at = (int)offset, length = data.Length;
        if (at < Edid.BlockBytes) _edid.AsSpan(at, Math.Min(length, Edid.BlockBytes - at)).CopyTo(data);
        else if (at is >= Vga and < Vga + VgaPorts)
        {
            for (int i = 0; i < length && at + i < Vga + VgaPorts; i++) data[i] = _card.ReadVga(VgaFirstPort + at - Vga + i);
        }
        else if (at is >= Dispi and < Dispi + (2 * DispiRegisters.Count))
        {
            if (length < 2 || at % 2 != 0) return BusStatus.BadWidth;
            for (int i = 0; i < length; i += 2) BinaryPrimitives.WriteUInt16LittleEndian(data[i..], _card.ReadDispi((at - Dispi + i) / 2));
        }
        else if (at is >= Extended and < Extended + ExtendedBytes)
        {
            if (length != 4 || at % 4 != 0) return BusStatus.BadWidth;
            BinaryPrimitives.WriteUInt32LittleEndian(data, at == Extended ? ExtendedBytes : LittleEndian);
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        int at = (int)offset, length = data.Length;
        if (at is >= Vga and < Vga + VgaPorts)
        {
            for (int i = 0; i < length && at + i < Vga + VgaPorts; i++) _card.WriteVga(VgaFirstPort + at - Vga + i, data[i]);
        }
        else if (at is >= Dispi and < Dispi + (2 * DispiRegisters.Count))
        {
            if (length < 2 || at % 2 != 0) return BusStatus.BadWidth;
            for (int i = 0; i < length; i += 2) _card.WriteDispi((at - Dispi + i) / 2, BinaryPrimitives.ReadUInt16LittleEndian(data[i..]));
        }
        return BusStatus.Handled;
    }
}
