using System.Collections.Generic;
using System.Threading;
using Hutch.Core.Interrupts;
using Hutch.Host.Events;

namespace Hutch.Vmm.Engines;

/// <summary>Interrupts to the local APICs of the engine that runs the machine. Any thread.</summary>
internal sealed class HandoverRouter(IInterruptRouter first) : IInterruptRouter
{
    private readonly Lock _lock = new();
    private readonly List<HandoverVector> _vectors = [];
    private IInterruptRouter _current = first;
    private bool _external;

    private IInterruptRouter Current => Volatile.Read(ref _current);

    /// <summary>The other engine's router takes its place, with the PIC's output and the vectors as they are. The devices stand.</summary>
    internal void Switch(IInterruptRouter second)
    {
        second.SetExternalInterrupt(Volatile.Read(ref _external));
        lock (_lock)
        {
            Volatile.Write(ref _current, second);
            foreach (HandoverVector vector in _vectors) vector.Switch(second);
        }
    }

    /// <inheritdoc/>
    public void SignalMsi(MsiMessage message) => Current.SignalMsi(message);

    /// <inheritdoc/>
    public void SetLevelRoute(int pin, MsiMessage? message) => Current.SetLevelRoute(pin, message);

    /// <inheritdoc/>
    public IMsiVector? CreateVector(EventFd? existing = null)
    {
        lock (_lock)
        {
            if (Current.CreateVector(existing) is not IMsiVector own) return null;
            HandoverVector vector = new(this, own);
            _vectors.Add(vector);
            return vector;
        }
    }

    /// <inheritdoc/>
    public void SetExternalInterrupt(bool asserted)
    {
        Volatile.Write(ref _external, asserted);
        Current.SetExternalInterrupt(asserted);
    }

    private void Forget(HandoverVector vector)
    {
        lock (_lock) _vectors.Remove(vector);
    }

    /// <summary>
    /// A vector that is one engine's first and another's later. Others hold its event, which therefore stays the same: what they signal in between waits in it.
    /// </summary>
    private sealed class HandoverVector(HandoverRouter router, IMsiVector first) : IMsiVector
    {
        private readonly Lock _lock = new();
        private IMsiVector? _second;
        private MsiMessage? _message;

        /// <inheritdoc/>
        public EventFd Event => first.Event;

        /// <inheritdoc/>
        public void SetMessage(MsiMessage? message)
        {
            lock (_lock)
            {
                _message = message;
                (_second ?? first).SetMessage(message);
            }
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            router.Forget(this);
            _second?.Dispose();
            first.Dispose();
        }

        internal void Switch(IInterruptRouter engine)
        {
            lock (_lock)
            {
                first.SetMessage(null);
                _second = engine.CreateVector(first.Event);
                _second?.SetMessage(_message);
            }
        }
    }
}
