using System;
using System.Net;
using System.Runtime.InteropServices;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Hutch.Host.Time;

namespace Hutch.Host.Networks;

/// <summary>
/// A network in user space by the system's libslirp: frames go in and come out at one end, sockets of this process are the other. One thread at a
/// time:
/// <code>
///   Wait (sleeps until a socket, a timer or the wake-up)  ->  Dispatch (frames come out)  ->  Input …  ->  Wait
/// </code>
/// </summary>
public sealed unsafe class SlirpStack : IDisposable
{
    private readonly ISlirpClient _client;
    private readonly IClock _clock;
    private readonly GCHandle _self;
    private readonly SlirpMemory _memory = new();
    private readonly SlirpPolls _polls = new();
    private readonly SlirpTimers _timers = new();
    private void* _slirp;

    private SlirpStack(ISlirpClient client, IClock clock)
    {
        _client = client;
        _clock = clock;
        _self = GCHandle.Alloc(this);
    }

    internal SlirpPolls Polls => _polls;

    internal SlirpTimers Timers => _timers;

    internal IClock Clock => _clock;

    internal ISlirpClient Client => _client;

    /// <summary>Makes a network. Throws <see cref="DllNotFoundException"/> where the host has no libslirp, and <see cref="ArgumentException"/> for options that it refuses.</summary>
    public static SlirpStack Create(SlirpOptions options, ISlirpClient client, IClock clock)
    {
        SlirpStack stack = new(client, clock);
        try
        {
            // SAFETY: the structures live until slirp_new returns (the configuration) or until the stack is disposed (the callbacks).
            SlirpNative.Config config = stack._memory.Describe(options);
            stack._slirp = SlirpNative.Create(&config, SlirpCallbacks.Fill(stack._memory), GCHandle.ToIntPtr(stack._self));
            if (stack._slirp == null) throw new ArgumentException("libslirp refuses the network's settings.", nameof(options));
            return stack;
        }
        catch
        {
            stack.Dispose();
            throw;
        }
    }

    /// <summary>Forwards a port of this host into the network. Throws <see cref="LinuxException"/> where the port cannot be had.</summary>
    /// <param name="isUdp">UDP instead of TCP.</param>
    /// <param name="host">An IPv4 address of this host.</param>
    /// <param name="hostPort">Its port; 0: one that is free.</param>
    /// <param name="guest">An address in the network; 0.0.0.0: the first that DHCP gives away.</param>
    /// <param name="guestPort">Its port.</param>
    /// <returns>The port of this host; 0 where the library does not tell which it took.</returns>
    public int Forward(bool isUdp, IPAddress host, int hostPort, IPAddress guest, int guestPort)
    {
        if (SlirpNative.AddForward(_slirp, isUdp ? 1 : 0, SlirpMemory.Number(host), hostPort, SlirpMemory.Number(guest), guestPort) != 0)
            LinuxException.ThrowLast("bind", $"{(isUdp ? "UDP" : "TCP")} port {hostPort} of {host}");
        return hostPort != 0 ? hostPort : SlirpConnections.LastForwarded(Describe(), isUdp, guestPort);
    }

    /// <summary>The connections, as libslirp lists them.</summary>
    public string Describe()
    {
        byte* text = SlirpNative.DescribeConnections(_slirp);
        string table = Marshal.PtrToStringUTF8((nint)text) ?? "";
        // SAFETY: glib's strings come from malloc and the library gave this one away.
        NativeMemory.Free(text);
        return table;
    }

    /// <summary>Takes one Ethernet frame of the network, copying it. What it causes may come out before this returns.</summary>
    public void Input(ReadOnlySpan<byte> frame)
    {
        // SAFETY: the span is pinned for the call, which copies it.
        fixed (byte* start = frame) SlirpNative.Input(_slirp, start, frame.Length);
    }

    /// <summary>Sleeps until there is something to dispatch, until <paramref name="wake"/> has a count, or for <paramref name="timeoutMs"/>.</summary>
    /// <param name="wake">Ends the sleep. Its count stays.</param>
    /// <param name="sockets">False: sockets are left alone, because the network can take no more for now.</param>
    /// <param name="timeoutMs">At most so long, in milliseconds; -1: no limit.</param>
    public void Wait(EventFd wake, bool sockets, int timeoutMs)
    {
        uint patience = timeoutMs < 0 ? uint.MaxValue : (uint)timeoutMs;
        _polls.Begin(wake);
        if (sockets)
        {
            SlirpNative.Fill(_slirp, &patience, &SlirpCallbacks.AddPoll, GCHandle.ToIntPtr(_self));
            patience = _timers.Shorten(patience, _clock.MonotonicNanoseconds / 1_000_000);
        }
        _polls.Wait(patience);
    }

    /// <summary>Carries out what <see cref="Wait"/> found: sockets are read and written, timers expire, frames come out.</summary>
    public void Dispatch()
    {
        if (!_polls.TakeResult(out bool failed)) return;
        SlirpNative.Dispatch(_slirp, failed ? 1 : 0, &SlirpCallbacks.PolledEvents, GCHandle.ToIntPtr(_self));
        _timers.Expire(_clock.MonotonicNanoseconds / 1_000_000);
    }

    /// <summary>Closes all connections.</summary>
    public void Dispose()
    {
        if (_slirp != null) SlirpNative.Destroy(_slirp);
        _slirp = null;
        _timers.Dispose();
        _memory.Dispose();
        if (_self.IsAllocated) _self.Free();
    }
}
