using System;
using System.Threading;
using Hutch.Core.Interrupts;
using Hutch.Host.Events;
using Hutch.Host.Vfio;

namespace Hutch.Devices.Vfio;

/// <summary>
/// The interrupts of a device of the host: one kind at a time, as VFIO has it. Vectors go from the host's kernel to the engine by events and by nobody between. The pin comes to this
/// process, which raises the guest's; the host masks it meanwhile, until the guest has looked at the device. Any thread.
/// </summary>
internal sealed class VfioInterrupts : IDisposable
{
    private const int Off = -1;

    private readonly Lock _lock = new();
    private readonly Lock _pinLock = new();
    private readonly VfioFunction _function;
    private readonly IInterruptRouter _router;
    private readonly Action<bool> _setPin;
    private readonly EventFd? _pinEvent;
    private readonly EventWatcher? _watcher;
    private readonly IDisposable? _watch;
    private IMsiVector[] _vectors = [];
    private int _kind = Off;
    private volatile bool _isPinRaised;

    /// <summary>Makes them, switched off. Throws <see cref="Hutch.Host.Linux.LinuxException"/> for want of descriptors.</summary>
    internal VfioInterrupts(string name, VfioFunction function, IInterruptRouter router, Action<bool> setPin)
    {
        (_function, _router, _setPin) = (function, router, setPin);
        if (function.IrqCount(VfioFunction.IntxIrq) == 0) return;
        _pinEvent = EventFd.Create(name);
        _watcher = new EventWatcher(name);
        _watch = _watcher.Add(_pinEvent, RaisePin);
    }

    /// <summary>The device interrupts by messages, or has nothing to interrupt by, so that its registers need not be watched.</summary>
    internal bool IsByMessages => Volatile.Read(ref _kind) is VfioFunction.MsiIrq or VfioFunction.MsixIrq || _pinEvent is null;

    /// <summary>Switches to a kind of messages, with so many vectors, all masked; nothing happens where that is so already.</summary>
    internal void UseMessages(int kind, int count)
    {
        lock (_lock)
        {
            if (_kind == kind && _vectors.Length == count) return;
            End();
            IMsiVector[] vectors = new IMsiVector[count];
            EventFd[] events = new EventFd[count];
            for (int i = 0; i < count; i++)
            {
                if (_router.CreateVector() is not { } vector)
                {
                    foreach (IMsiVector? made in vectors) made?.Dispose();
                    return;
                }
                (vectors[i], events[i]) = (vector, vector.Event);
            }
            (_vectors, _kind) = (vectors, kind);
            _ = _function.SetEvents(kind, events);
        }
    }

    /// <summary>Switches to the pin, where there is one.</summary>
    internal void UsePin()
    {
        lock (_lock)
        {
            if (_kind == VfioFunction.IntxIrq) return;
            End();
            if (_pinEvent is not null && _function.SetEvents(VfioFunction.IntxIrq, [_pinEvent])) _kind = VfioFunction.IntxIrq;
        }
    }

    /// <summary>Switches all off.</summary>
    internal void SwitchOff()
    {
        lock (_lock) End();
    }

    /// <summary>What a vector sends from now on; null: it is masked, and its interrupts wait.</summary>
    internal void SetMessage(int kind, int vector, MsiMessage? message)
    {
        lock (_lock)
            if (_kind == kind && vector < _vectors.Length) _vectors[vector].SetMessage(message);
    }

    /// <summary>The guest has looked at the device: the pin falls, and comes again if there is still a reason.</summary>
    internal void TakePin()
    {
        if (!_isPinRaised) return;
        LowerPin();
        _function.UnmaskPin();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        SwitchOff();
        _watch?.Dispose();
        _watcher?.Dispose();
        _pinEvent?.Dispose();
    }

    private void RaisePin()
    {
        lock (_pinLock)
        {
            if (!_pinEvent!.Drain() || Volatile.Read(ref _kind) != VfioFunction.IntxIrq) return;
            _isPinRaised = true;
            _setPin(true);
        }
    }

    private void LowerPin()
    {
        lock (_pinLock)
        {
            _isPinRaised = false;
            _setPin(false);
        }
    }

    private void End()
    {
        if (_kind == Off) return;
        _function.ClearEvents(_kind);
        Volatile.Write(ref _kind, Off);
        foreach (IMsiVector vector in _vectors) vector.Dispose();
        _vectors = [];
        LowerPin();
    }
}
