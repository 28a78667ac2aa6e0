using System;
using System.Buffers.Binary;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Devices.Pci;
using Hutch.Tests.Devices.Virtio;
using Xunit;

namespace Hutch.Tests.Devices.Pci;

/// <summary>MSI-X (PCI Express Base 5.0 §6.1.4, §7.7.2).</summary>
public sealed class MsixTests : IDisposable
{
    private const ushort Enable = 0x8000, Mask = 0x4000;

    private readonly TestMachine.RecordingRouter _router = new();
    private readonly Msix _msix;

    public MsixTests() => _msix = new Msix(3, _router);

    // PCI Express Base 5.0 §7.7.2: address and data of a table entry.
    [Fact]
    public void Sends_the_message_of_the_vector()
    {
        Program(1);
        _msix.SetControl(Enable);
        _msix.Signal(1);
        Assert.Equal([new MsiMessage(0x1_fee0_1000, 0x41)], _router.Messages);
    }

    // PCI Express Base 5.0 §7.7.2: MSI-X Enable.
    [Fact]
    public void Sends_nothing_while_off_or_for_a_vector_that_does_not_exist()
    {
        Program(1);
        _msix.Signal(1);
        _msix.SetControl(Enable);
        _msix.Signal(3);
        _msix.Signal(0xffff);
        Assert.Empty(_router.Messages);
    }

    // PCI Express Base 5.0 §6.1.4: the vector's mask and its pending bit.
    [Fact]
    public void A_masked_vector_becomes_pending_and_is_sent_once_when_unmasked()
    {
        Program(2);
        _msix.SetControl(Enable);
        Write(2, 3, 1);
        _msix.Signal(2);
        _msix.Signal(2);
        Assert.Empty(_router.Messages);
        Assert.Equal(4u, Read(0x800));
        Write(2, 3, 0);
        Assert.Single(_router.Messages);
        Assert.Equal(0u, Read(0x800));
    }

    // PCI Express Base 5.0 §7.7.2: Function Mask.
    [Fact]
    public void The_function_mask_holds_every_vector_back()
    {
        Program(0);
        Program(1);
        _msix.SetControl(Enable | Mask);
        _msix.Signal(0);
        _msix.Signal(1);
        Assert.Equal(3u, Read(0x800));
        _msix.SetControl(Enable);
        Assert.Equal(2, _router.Messages.Length);
    }

    // PCI Express Base 5.0 §7.7.2: the table and the pending bit array.
    [Fact]
    public void Pending_bits_and_reserved_words_are_read_only_and_widths_are_checked()
    {
        byte[] ones = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        Assert.Equal(BusStatus.Handled, _msix.Write(0x800, ones));
        Assert.Equal(0u, Read(0x800));
        Assert.Equal(BusStatus.Handled, _msix.Write(48, ones));
        Assert.Equal(0u, Read(48));
        Assert.Equal(BusStatus.BadWidth, _msix.Write(0, ones.AsSpan(0, 2)));
        Assert.Equal(BusStatus.BadWidth, _msix.Read(2, new byte[4]));
        Assert.Equal(BusStatus.BadWidth, _msix.Read(0xffc, new byte[8]));
        Assert.Equal(1u, Read(12));
    }

    public void Dispose() => _router.Dispose();

    private void Program(int vector)
    {
        Write(vector, 0, 0xfee0_1000);
        Write(vector, 1, 1);
        Write(vector, 2, 0x40 + (uint)vector);
        Write(vector, 3, 0);
    }

    private void Write(int vector, int word, uint value)
    {
        byte[] data = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(data, value);
        Assert.Equal(BusStatus.Handled, _msix.Write((ulong)((vector * 16) + (word * 4)), data));
    }

    private uint Read(ulong offset)
    {
        byte[] data = new byte[4];
        Assert.Equal(BusStatus.Handled, _msix.Read(offset, data));
        return BinaryPrimitives.ReadUInt32LittleEndian(data);
    }
}
