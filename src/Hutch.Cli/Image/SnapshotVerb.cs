using System;
using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;
using Hutch.Host.Time;

namespace Hutch.Cli.Image;

/// <summary>snapshot: lists, takes, applies and deletes the snapshots inside an image.</summary>
internal static class SnapshotVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "la:c:d:hqUf:", "help:h", "object=", "image-opts", "force-share:U");
        char action = '\0';
        string snapshot = "";
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "l" or "a" or "c" or "d":
                    if (action != '\0') throw tool.Usage("Cannot mix '-l', '-a', '-c', '-d'");
                    (action, snapshot) = (option[0], options.Value);
                    break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (options.Operands.Count != 1) throw tool.Usage("Expecting one image file name");
        bool isReadOnly = action is '\0' or 'l';
        ImageNode? image = common.Open(options.Operands[0], isReadOnly);
        if (image is null) return 1;
        try
        {
            return Act(tool, image, action, snapshot);
        }
        finally
        {
            Blocking.Wait(image.DisposeAsync());
        }
    }

    private static int Act(Tool tool, ImageNode image, char action, string name)
    {
        IImageSnapshots? snapshots = image as IImageSnapshots;
        string verb = action switch { 'c' => "create", 'a' => "apply", _ => "delete" };
        try
        {
            switch (action)
            {
                case '\0' or 'l':
                    if (snapshots is { Snapshots.Count: > 0 }) tool.Write("Snapshot list:\n" + SnapshotTable.Of(snapshots.Snapshots));
                    return 0;
                case 'c':
                    Blocking.Wait(Supported(snapshots, image).CreateSnapshotAsync(NewSnapshot(image, name), default));
                    break;
                case 'a':
                    Blocking.Wait(Supported(snapshots, image).ApplySnapshotAsync(name, default));
                    break;
                default:
                    Blocking.Wait(Supported(snapshots, image).DeleteSnapshotAsync(name, default));
                    break;
            }
            Blocking.Wait(image.FlushAsync(default));
            return 0;
        }
        catch (ImageException e)
        {
            tool.Error(e, $"Could not {verb} snapshot '{name}': ");
        }
        catch (BlockIoException e)
        {
            string text = action == 'c' ? $"-{e.Errno} ({ErrorText.Of(e)})" : ErrorText.Of(e);
            tool.Error($"Could not {verb} snapshot '{name}': {text}");
        }
        return 1;
    }

    private static IImageSnapshots Supported(IImageSnapshots? snapshots, ImageNode image) =>
        snapshots ?? throw new BlockIoException($"Images of format {image.Format.Name} have no snapshots.", BlockIoException.Enotsup);

    private static ImageSnapshot NewSnapshot(ImageNode image, string name)
    {
        DateTimeOffset now = new MonotonicClock().UtcNow;
        return new ImageSnapshot("", name, 0, now.ToUnixTimeSeconds(), (int)(now.Ticks % TimeSpan.TicksPerSecond * 100), 0, 0, image.LengthBytes);
    }
}
