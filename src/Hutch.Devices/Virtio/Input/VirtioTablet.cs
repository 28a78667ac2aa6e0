using System;
using Hutch.Core.Memory;
using Hutch.Core.State;
using static Hutch.Devices.Virtio.Input.VirtioInputCodes;

namespace Hutch.Devices.Virtio.Input;

/// <summary>A tablet, which tells places, so that a viewer's pointer and the guest's are one.</summary>
internal sealed class VirtioTablet(string name, GuestMemory memory) : VirtioPointer(name, memory, "Hutch Virtio Tablet", Product), IAbsolutePointer
{
    private const ushort Product = 3;

    private ushort _x, _y, _toldX, _toldY;

    /// <inheritdoc/>
    internal override uint PciClass => 0x098000;

    /// <inheritdoc/>
    public void Place(int x, int y, int wheel, PointerButtons buttons)
    {
        lock (Gate)
        {
            if (!Change(wheel, buttons)) return;
            (_x, _y) = ((ushort)Math.Clamp(x, 0, IAbsolutePointer.Range), (ushort)Math.Clamp(y, 0, IAbsolutePointer.Range));
            _ = CatchUp();
        }
        Kick(EventQueue);
    }

    /// <inheritdoc/>
    private protected override int Codes(byte type, Span<byte> bits) => type == Absolute ? SetBit(bits, AxisY, SetBit(bits, AxisX, 0)) : base.Codes(type, bits);

    /// <inheritdoc/>
    private protected override int RangeOf(byte axis) => axis is (byte)AxisX or (byte)AxisY ? IAbsolutePointer.Range : 0;

    /// <inheritdoc/>
    private protected override int AddMotion(Span<InputEvent> report)
    {
        int count = 0;
        if (_x != _toldX) report[count++] = new InputEvent(Absolute, AxisX, _x);
        if (_y != _toldY) report[count++] = new InputEvent(Absolute, AxisY, _y);
        return count;
    }

    /// <inheritdoc/>
    private protected override void MotionTold() => (_toldX, _toldY) = (_x, _y);

    /// <inheritdoc/>
    private protected override void Forget()
    {
        base.Forget();
        (_x, _y, _toldX, _toldY) = (0, 0, 0, 0);
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        base.ExchangeOwn(fields);
        fields.Value("x", ref _x);
        fields.Value("y", ref _y);
        fields.Value("told-x", ref _toldX);
        fields.Value("told-y", ref _toldY);
    }
}
