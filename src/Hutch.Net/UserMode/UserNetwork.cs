using System;
using System.Net;
using Hutch.Host.Linux;
using Hutch.Host.Networks;
using Hutch.Host.Time;
using Hutch.Model.Machine;

namespace Hutch.Net.UserMode;

/// <summary>
/// A network for one card, in this process, by the host's libslirp: DHCP, a name server, the way out through this process's sockets, and ports of the
/// host that lead in. Needs no privilege.
/// </summary>
internal sealed class UserNetwork : INetBackend
{
    private readonly UserQueue _queue = new();
    private readonly SlirpOptions _options;
    private readonly string _network;
    private readonly IClock _clock;

    private UserNetwork(SlirpOptions options, string network, IClock clock) => (_options, _network, _clock) = (options, network, clock);

    /// <inheritdoc/>
    public string Description => $"the user network {_network}";

    /// <inheritdoc/>
    public int MostQueues => 1;

    /// <inheritdoc/>
    public int MtuBytes => _options.MtuBytes;

    /// <summary>
    /// The stack takes segments of any length, so that large ones need no cutting; only checksums must be right, which costs less here than in the guest. What
    /// comes out of it was never on a wire: its checksums are right.
    /// </summary>
    public NetOffloads Offloads => NetOffloads.TransmitChecksum | NetOffloads.TransmitTso4 | NetOffloads.TransmitTso6 | NetOffloads.ReceiveChecksum;

    /// <summary>Makes the network. Throws <see cref="NetException"/>.</summary>
    /// <param name="config">What the operator wants.</param>
    /// <param name="mtuBytes">The longest IP packet.</param>
    /// <param name="clock">Time for the stack's timers.</param>
    /// <param name="say">Told which port was taken where any was to be.</param>
    internal static UserNetwork Open(NetBackendConfig config, int mtuBytes, IClock clock, Action<string> say)
    {
        UserNetwork network = new(UserSettings.Read(config, mtuBytes), config.Network, clock);
        try
        {
            // A guest that never uses its card never pays for the library; ports are taken at once, so that whoever asked for them hears it.
            if (!SlirpLibrary.IsInstalled || config.Forwards.Length != 0) network.Create();
            foreach (PortForward forward in config.Forwards) Forward(network._queue.Stack!, forward, say);
            return network;
        }
        catch (Exception missing) when (missing is DllNotFoundException or EntryPointNotFoundException)
        {
            throw new NetException("A user network needs libslirp, which this host does not have; install the package libslirp0 (Debian, Ubuntu) or libslirp (others), or run without a network with --net none.", missing);
        }
        catch (ArgumentException refused)
        {
            throw new NetException($"The user network {config.Network} cannot be made: {refused.Message}", refused);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public INetQueue OpenQueue(int index, INetBuffers buffers)
    {
        _queue.Buffers = buffers;
        return _queue;
    }

    /// <inheritdoc/>
    public void Configure(NetOffloads used, int queues)
    {
        if (_queue.Stack is null) Create();
    }

    /// <inheritdoc/>
    public void Dispose() => _queue.Stack?.Dispose();

    private void Create() => _queue.Stack = SlirpStack.Create(_options, _queue, _clock);

    private static void Forward(SlirpStack stack, PortForward forward, Action<string> say)
    {
        IPAddress host = UserSettings.Parse(forward.HostAddress, "hostfwd"), guest = UserSettings.Parse(forward.GuestAddress, "hostfwd");
        string protocol = forward.IsUdp ? "UDP" : "TCP";
        try
        {
            int port = stack.Forward(forward.IsUdp, host, forward.HostPort, guest, forward.GuestPort);
            if (forward.HostPort == 0) say($"{protocol} port {port} of {host} leads to port {forward.GuestPort} of the guest.");
        }
        catch (LinuxException refused)
        {
            throw new NetException($"{protocol} port {forward.HostPort} of {host} cannot be forwarded ({System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(refused.Errno)}); choose another with hostfwd=, or 0 for any that is free.", refused);
        }
    }
}
