using System;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Nbd;
using Hutch.Cli.Options;
using Hutch.Host.Sockets;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>The verb <c>hutch nbd</c>: <c>hutch nbd serve</c> offers an image over the NBD protocol.</summary>
internal static class NbdCommand
{
    private static readonly Argument<string> Image = new("image") { HelpName = "IMAGE", Description = "The image: a file, or an address such as nbd://HOST/EXPORT." };
    private static readonly Option<string?> Format = new("--format") { HelpName = "FORMAT", Description = "Its format. [default: recognised, for reading; to be said for writing a raw image]" };
    private static readonly Option<string?> SocketPath = new("--socket") { HelpName = "PATH", Description = "Listen on a UNIX socket, for this user alone." };
    private static readonly Option<string?> Listen = new("--listen") { HelpName = "[ADDRESS]:PORT", Description = "Listen on a TCP port; everybody who reaches it may connect, unless --tls keeps them out." };
    private static readonly Option<string> Export = new("--export") { HelpName = "NAME", DefaultValueFactory = static _ => "", Description = "Name of the export. [default: empty, what clients ask for that name none]" };
    private static readonly Option<string> About = new("--description") { HelpName = "TEXT", DefaultValueFactory = static _ => "", Description = "A line about it that clients can show." };
    private static readonly Option<bool> ReadOnly = new("--read-only") { Description = "Clients may only read." };
    private static readonly Option<bool> ForceShare = new("--force-share") { Description = "Read an image that somebody else writes; with --read-only." };
    private static readonly Option<string[]> Bitmaps = new("--bitmap") { HelpName = "NAME", Description = "A dirty bitmap of the image that clients may ask for; can be repeated." };
    private static readonly Option<bool> Depth = new("--allocation-depth") { Description = "Clients may ask which layer of the image holds what." };
    private static readonly Option<string?> Tls = new("--tls") { HelpName = "FOLDER", Description = "TLS with ca-cert.pem, server-cert.pem and server-key.pem in FOLDER; clients need a certificate of that authority." };
    private static readonly Option<bool> NoVerify = new("--no-verify-peer") { Description = "With --tls: clients need no certificate." };
    private static readonly Option<int> Clients = new("--clients") { HelpName = "N", DefaultValueFactory = static _ => 16, Description = "Connections at once." };
    private static readonly Option<bool> Once = new("--once") { Description = "End when the last client has gone." };
    private static readonly Option<string> Cache = new("--cache")
    {
        HelpName = "none|writeback|writethrough|directsync|unsafe", DefaultValueFactory = static _ => "writeback", Description = "Page cache and durability of writes.",
    };

    private static readonly string AboutServe =
        """
        Offers an image over the NBD protocol, until Ctrl-C.

        Clients are qemu-img, qemu-nbd -c, nbdinfo, nbdcopy, the kernel's nbd-client, and hutch itself by the address that is printed. Writes of a client are
        durable when its flush is answered.
        """;

    /// <summary>The command for the parser.</summary>
    internal static Command Create()
    {
        Command serve = new("serve", AboutServe)
        {
            Image, Format, SocketPath, Listen, Export, About, ReadOnly, ForceShare, Bitmaps, Depth, Tls, NoVerify, Clients, Once, Cache,
        };
        serve.SetAction(Serve);
        return new Command("nbd", "Images over the network block device protocol.") { serve };
    }

    private static int Serve(ParseResult result)
    {
        string image = result.GetValue(Image)!;
        try
        {
            return ServeAsync(result, image).GetAwaiter().GetResult();
        }
        catch (DiskOpenException refused)
        {
            throw new UserException(refused.Message, ExitStatus.BadConfiguration);
        }
        catch (ImageException wrong)
        {
            throw new UserException($"The image '{image}' cannot be served: {wrong.Message.TrimEnd('.')}{(wrong.Hint is null ? "." : $". {wrong.Hint}")}", ExitStatus.BadConfiguration);
        }
        catch (BlockIoException failed)
        {
            throw new UserException(failed.Message, ExitStatus.BadConfiguration);
        }
    }

    private static async Task<int> ServeAsync(ParseResult result, string image)
    {
        if (result.GetValue(SocketPath) is null == result.GetValue(Listen) is null)
            throw new UserException("hutch nbd serve: say where to listen, with --socket PATH or with --listen ADDRESS:PORT.", ExitStatus.Usage);
        if (result.GetValue(Clients) is < 1 or > 1024) throw OptionText.Bad("--clients", $"{result.GetValue(Clients)}", "write a number from 1 to 1024.");
        NbdTls? tls = result.GetValue(Tls) is string folder ? new NbdTls { Folder = folder, VerifyPeer = !result.GetValue(NoVerify) } : null;
        tls?.Check(isServer: true);
        ImageNode node = await BlockGraph.OpenAsync(Request(result, image), CancellationToken.None).ConfigureAwait(false);
        await using (node.ConfigureAwait(false))
        {
            // A client that may write all bytes could make another image of it, which names files of this host.
            if (!node.Limits.IsReadOnly && result.GetValue(Format) is null && node.Format.Name == "raw")
                throw new UserException($"The image '{image}' looks raw; say --format raw if it is, or --read-only.", ExitStatus.BadConfiguration);
            NbdExport export = ExportOf(result, node);
            NbdServer server = new([export], new NbdServerOptions { Tls = tls, MostClients = result.GetValue(Clients), Report = static line => Console.Error.WriteLine($"hutch: {line}") });
            using StreamListener listener = OpenListener(result);
            using CancellationTokenSource end = new();
            using PosixSignalRegistration interrupt = EndOn(PosixSignal.SIGINT, end), terminate = EndOn(PosixSignal.SIGTERM, end), hangUp = EndOn(PosixSignal.SIGHUP, end);
            Console.Out.WriteLine($"Serving {image} at {AddressOf(result, listener, tls is not null)}");
            await server.RunAsync(listener, result.GetValue(Once) ? end.Cancel : null, end.Token).ConfigureAwait(false);
            if (!node.Limits.IsReadOnly) await node.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }
        return 0;
    }

    private static BlockOpenRequest Request(ParseResult result, string image)
    {
        bool readOnly = result.GetValue(ReadOnly);
        if (result.GetValue(ForceShare) && !readOnly) throw new UserException("--force-share is for reading; add --read-only.", ExitStatus.Usage);
        return new BlockOpenRequest
        {
            Filename = image,
            Format = result.GetValue(Format),
            ReadOnly = readOnly,
            ForceShare = result.GetValue(ForceShare),
            Cache = result.GetValue(Cache) switch
            {
                "none" => CacheMode.None,
                "writeback" => CacheMode.Writeback,
                "writethrough" => CacheMode.Writethrough,
                "directsync" => CacheMode.DirectSync,
                "unsafe" => CacheMode.Unsafe,
                string other => throw OptionText.Bad("--cache", other, "write none, writeback, writethrough, directsync or unsafe."),
                null => CacheMode.Writeback,
            },
        };
    }

    private static NbdExport ExportOf(ParseResult result, ImageNode node)
    {
        string[] bitmaps = result.GetValue(Bitmaps) ?? [];
        foreach (string bitmap in bitmaps)
        {
            bool found = false;
            foreach (ImageBitmap there in (node as IImageBitmaps)?.Bitmaps ?? [])
            {
                if (there.Name != bitmap) continue;
                found = true;
                if (there.IsInconsistent) throw new UserException($"The dirty bitmap '{bitmap}' was not stored properly and means nothing; remove it.", ExitStatus.BadConfiguration);
                if (there.IsEnabled && !result.GetValue(ReadOnly))
                    throw new UserException($"The dirty bitmap '{bitmap}' records writes; disable it first, or add --read-only.", ExitStatus.BadConfiguration);
            }
            if (!found) throw new UserException($"The image has no dirty bitmap '{bitmap}'; 'hutch img info' lists those that it has.", ExitStatus.BadConfiguration);
        }
        return new NbdExport
        {
            Name = result.GetValue(Export)!,
            Description = result.GetValue(About)!,
            Node = node,
            ReadOnly = result.GetValue(ReadOnly),
            Bitmaps = bitmaps,
            ShowsAllocationDepth = result.GetValue(Depth),
        };
    }

    private static StreamListener OpenListener(ParseResult result)
    {
        string where = result.GetValue(SocketPath) ?? result.GetValue(Listen)!;
        try
        {
            if (result.GetValue(SocketPath) is string path) return StreamListener.OnUnix(path);
            int colon = where.LastIndexOf(':');
            if (!int.TryParse(where.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port > 65535)
                throw OptionText.Bad("--listen", where, "write ADDRESS:PORT, or :PORT for all addresses.");
            return StreamListener.OnTcp(where[..Math.Max(colon, 0)].Trim('[', ']'), port);
        }
        catch (Exception refused) when (refused is SocketException or IOException or UnauthorizedAccessException)
        {
            throw new UserException($"'{where}' cannot be listened on: {refused.Message.TrimEnd('.')}; choose another socket or port.", ExitStatus.BadConfiguration);
        }
    }

    private static string AddressOf(ParseResult result, StreamListener listener, bool secure)
    {
        string scheme = secure ? "nbds" : "nbd", export = Uri.EscapeDataString(result.GetValue(Export)!);
        if (result.GetValue(SocketPath) is string path) return $"{scheme}+unix:///{export}?socket={Path.GetFullPath(path)}";
        string where = result.GetValue(Listen)!;
        string host = where[..Math.Max(where.LastIndexOf(':'), 0)];
        return string.Create(CultureInfo.InvariantCulture, $"{scheme}://{(host.Length == 0 || host == "*" ? "localhost" : host)}:{listener.Port}/{export}");
    }

    private static PosixSignalRegistration EndOn(PosixSignal signal, CancellationTokenSource end) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        end.Cancel();
    });
}
