using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Networks;

/// <summary>The timers of a <see cref="SlirpStack"/>: few, and looked at after each wait. They are in native memory, for the library holds on to them.</summary>
internal sealed unsafe class SlirpTimers : IDisposable
{
    private readonly List<nint> _timers = [];

    /// <summary>Makes one that is not armed.</summary>
    internal nint Create(nint expired, nint opaque)
    {
        // SAFETY: freshly allocated with this size; freed once, by Free or Dispose.
        SlirpNative.Timer* timer = (SlirpNative.Timer*)NativeMemory.Alloc((nuint)sizeof(SlirpNative.Timer));
        *timer = new SlirpNative.Timer { Expired = (delegate* unmanaged[Cdecl]<nint, void>)expired, Opaque = opaque, DeadlineMs = long.MaxValue };
        _timers.Add((nint)timer);
        return (nint)timer;
    }

    /// <summary>Frees one.</summary>
    internal void Free(nint timer)
    {
        // SAFETY: only what Create made and nobody freed is in the list.
        if (_timers.Remove(timer)) NativeMemory.Free((void*)timer);
    }

    /// <summary>The sleep in milliseconds that no timer expires before.</summary>
    internal uint Shorten(uint timeoutMs, long nowMs)
    {
        foreach (nint each in _timers)
        {
            // SAFETY: timers in the list are not freed.
            long deadline = ((SlirpNative.Timer*)each)->DeadlineMs;
            if (deadline != long.MaxValue) timeoutMs = (uint)Math.Min(timeoutMs, Math.Max(0, deadline - nowMs));
        }
        return timeoutMs;
    }

    /// <summary>Calls back for those that are due. A callback may arm timers again.</summary>
    internal void Expire(long nowMs)
    {
        for (int i = 0; i < _timers.Count; i++)
        {
            // SAFETY: as in Shorten; the callback and its argument came together from the library.
            SlirpNative.Timer* timer = (SlirpNative.Timer*)_timers[i];
            if (timer->DeadlineMs > nowMs) continue;
            timer->DeadlineMs = long.MaxValue;
            timer->Expired(timer->Opaque);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // SAFETY: the library is gone and holds no timer any more.
        foreach (nint each in _timers) NativeMemory.Free((void*)each);
        _timers.Clear();
    }
}
