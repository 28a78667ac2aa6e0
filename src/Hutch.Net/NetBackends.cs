using System;
using System.IO;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Hutch.Net.Filters;
using Hutch.Net.Passt;
using Hutch.Net.Tap;
using Hutch.Net.UserMode;

namespace Hutch.Net;

/// <summary>Opens back ends from their records.</summary>
public static class NetBackends
{
    private const int CaptureBufferBytes = 256 * 1024;

    /// <summary>Opens one, with its filters. Throws <see cref="NetException"/>.</summary>
    /// <param name="config">What the operator wants.</param>
    /// <param name="mtuBytes">The longest IP packet that the card is to have; 0: as the back end likes.</param>
    /// <param name="queues">Queues that the card wants; the back end may have fewer.</param>
    /// <param name="clock">Time of the host.</param>
    /// <param name="say">Tells the user what was chosen for him.</param>
    public static INetBackend Open(NetBackendConfig config, int mtuBytes, int queues, IClock clock, Action<string> say)
    {
        INetBackend backend = config.Kind switch
        {
            NetBackendKind.None => new NoNetwork(),
            NetBackendKind.User => UserNetwork.Open(config, mtuBytes == 0 ? VirtioNetConfig.LongestMtu : mtuBytes, clock, say),
            NetBackendKind.Tap => TapBackend.OpenInterface(config.Interface, queues),
            NetBackendKind.Bridge => TapBackend.OpenOnBridge(config.Interface ?? "br0", queues),
            NetBackendKind.Passt => PasstBackend.Open(config.Path ?? ""),
            _ => throw new NetException($"The network back end {config.Kind} is not known; use another with --net."),
        };
        try
        {
            // The capture sees what passed the limits.
            if (config.Inbound is not null || config.Outbound is not null) backend = WithLimits(backend, config, clock);
            return config.Capture is null ? backend : WithCapture(backend, config.Capture, clock, say);
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    private static FilteredBackend WithLimits(INetBackend backend, NetBackendConfig config, IClock clock)
    {
        RateLimit? inbound = config.Inbound is null ? null : new RateLimit(config.Inbound, clock), outbound = config.Outbound is null ? null : new RateLimit(config.Outbound, clock);
        return new FilteredBackend(backend, (buffers, open) => new RateQueue(inbound, outbound, buffers, open));
    }

    private static FilteredBackend WithCapture(INetBackend backend, string path, IClock clock, Action<string> say)
    {
        try
        {
            FileStream stream = new(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite, CaptureBufferBytes);
            CaptureFile file = new(stream, backend.Description, clock, cause => say($"The capture file {path} ends here, for it cannot be written any more: {cause}"));
            return new FilteredBackend(backend, (buffers, open) => new CaptureQueue(file, buffers, open), file);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new NetException($"The capture file {path} cannot be made ({refused.Message.TrimEnd('.')}); name another with capture=.", refused);
        }
    }
}
