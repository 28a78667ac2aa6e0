using System;
using Hutch.Core.Memory;
using Hutch.Core.State;
using static Hutch.Devices.Virtio.Input.VirtioInputCodes;

namespace Hutch.Devices.Virtio.Input;

/// <summary>What a mouse and a tablet have in common: five buttons and a wheel. What cannot be told yet gathers.</summary>
internal abstract class VirtioPointer : VirtioInput
{
    private const int ButtonCount = 5, MostGathered = 1 << 16;

    // Buttons, two axes and the wheel.
    private const int MostEvents = ButtonCount + 3;

    private byte _buttons, _toldButtons;
    private int _wheel;

    private protected VirtioPointer(string name, GuestMemory memory, string product, ushort number) : base(name, memory, product, number) { }

    /// <summary>The wheel turned, the buttons are these, and what the kind of device adds. Under the gate.</summary>
    /// <returns>The guest is to be told.</returns>
    private protected bool Change(int wheel, PointerButtons buttons)
    {
        if (!IsListening)
        {
            // What was let go meanwhile is told when the machine goes on.
            _buttons &= (byte)buttons;
            return false;
        }
        _wheel = Gather(_wheel, -Math.Clamp(wheel, -MostGathered, MostGathered));
        _buttons = (byte)((int)buttons & ((1 << ButtonCount) - 1));
        return true;
    }

    /// <summary>Adds events of the axes that the guest does not know.</summary>
    private protected abstract int AddMotion(Span<InputEvent> report);

    /// <summary>The guest knows of the axes.</summary>
    private protected abstract void MotionTold();

    /// <summary>Adds steps to those that wait, of which there are only so many.</summary>
    private protected static int Gather(int gathered, int more) => Math.Clamp(gathered + Math.Clamp(more, -MostGathered, MostGathered), -MostGathered, MostGathered);

    /// <inheritdoc/>
    private protected override int Codes(byte type, Span<byte> bits)
    {
        if (type == Relative) return SetBit(bits, Wheel, 0);
        int bytes = 0;
        if (type == Key)
            for (int button = 0; button < ButtonCount; button++) bytes = SetBit(bits, FirstButton + button, bytes);
        return bytes;
    }

    /// <inheritdoc/>
    private protected override bool CatchUp()
    {
        Span<InputEvent> report = stackalloc InputEvent[MostEvents];
        int count = AddMotion(report);
        if (_wheel != 0) report[count++] = new InputEvent(Relative, Wheel, _wheel);
        for (int button = 0; button < ButtonCount; button++)
            if (((_buttons ^ _toldButtons) >> button & 1) != 0) report[count++] = new InputEvent(Key, (ushort)(FirstButton + button), _buttons >> button & 1);
        if (count == 0 || !Reports.TryAdd(report[..count])) return false;
        (_toldButtons, _wheel) = (_buttons, 0);
        MotionTold();
        return true;
    }

    /// <inheritdoc/>
    private protected override void Forget() => (_buttons, _toldButtons, _wheel) = (0, 0, 0);

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        base.ExchangeOwn(fields);
        fields.Value("told-buttons", ref _toldButtons);
        fields.Value("wheel", ref _wheel, -MostGathered, MostGathered);
    }
}
