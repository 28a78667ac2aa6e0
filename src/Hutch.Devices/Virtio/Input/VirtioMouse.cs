using System;
using Hutch.Core.Memory;
using Hutch.Core.State;
using static Hutch.Devices.Virtio.Input.VirtioInputCodes;

namespace Hutch.Devices.Virtio.Input;

/// <summary>A mouse, which tells of motion.</summary>
internal sealed class VirtioMouse(string name, GuestMemory memory) : VirtioPointer(name, memory, "Hutch Virtio Mouse", Product), IPointer
{
    private const ushort Product = 2;
    private const int MostGathered = 1 << 16;

    private int _right, _down;

    /// <inheritdoc/>
    internal override uint PciClass => 0x090200;

    /// <inheritdoc/>
    public void Update(int right, int down, int wheel, PointerButtons buttons)
    {
        lock (Gate)
        {
            if (!Change(wheel, buttons)) return;
            (_right, _down) = (Gather(_right, right), Gather(_down, down));
            _ = CatchUp();
        }
        Kick(EventQueue);
    }

    /// <inheritdoc/>
    private protected override int Codes(byte type, Span<byte> bits)
    {
        int bytes = base.Codes(type, bits);
        return type == Relative ? SetBit(bits, AxisY, SetBit(bits, AxisX, bytes)) : bytes;
    }

    /// <inheritdoc/>
    private protected override int AddMotion(Span<InputEvent> report)
    {
        int count = 0;
        if (_right != 0) report[count++] = new InputEvent(Relative, AxisX, _right);
        if (_down != 0) report[count++] = new InputEvent(Relative, AxisY, _down);
        return count;
    }

    /// <inheritdoc/>
    private protected override void MotionTold() => (_right, _down) = (0, 0);

    /// <inheritdoc/>
    private protected override void Forget()
    {
        base.Forget();
        MotionTold();
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        base.ExchangeOwn(fields);
        fields.Value("x", ref _right, -MostGathered, MostGathered);
        fields.Value("y", ref _down, -MostGathered, MostGathered);
    }
}
