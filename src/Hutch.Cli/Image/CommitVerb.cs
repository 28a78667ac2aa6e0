using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;

namespace Hutch.Cli.Image;

/// <summary>commit: moves what an image has into its backing image.</summary>
internal static class CommitVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "f:ht:b:dpqr:", "help:h", "object=", "image-opts");
        CacheMode cache = CacheMode.Writeback;
        string? downTo = null;
        bool keeps = false, shows = false;
        long bytesPerSecond = 0;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "t": cache = ImageArguments.CacheOf(options.Value); break;
                case "b": (downTo, keeps) = (options.Value, true); break;
                case "d": keeps = true; break;
                case "p": shows = true; break;
                case "r": bytesPerSecond = common.Size("rate limit", options.Value); break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (common.IsQuiet) shows = false;
        if (options.Operands.Count != 1) throw tool.Usage("Expecting one image file name");
        string name = options.Operands[0];
        ImageLayers? layers = ImageLayers.Open(tool, common, name, common.Request(name, readOnly: false) with { Cache = cache }, downTo);
        if (layers is null) return 1;
        try
        {
            using ProgressLine progress = new(tool, shows);
            Commit(layers, keeps, bytesPerSecond, progress);
            progress.Finish();
        }
        catch (ImageException e)
        {
            tool.Error(e);
            return 1;
        }
        catch (BlockIoException e)
        {
            tool.Error($"Failed to commit image: {ErrorText.Of(e)}");
            return 1;
        }
        finally
        {
            layers.Dispose();
        }
        if (!common.IsQuiet) tool.WriteLine("Image committed.");
        return 0;
    }

    private static void Commit(ImageLayers layers, bool keeps, long bytesPerSecond, ProgressLine progress)
    {
        ImageNode top = layers.Above[0], target = layers.Base;
        if (target.LengthBytes < top.LengthBytes) Blocking.Wait(target.ResizeAsync(top.LengthBytes, Preallocation.Off, default));
        using (CommitJob job = new(layers.Above, target, bytesPerSecond, progress.Listener, default)) job.Run();
        // What was moved is safe below before it goes away above.
        Blocking.Wait(target.FlushAsync(default));
        if (keeps || top is not IImageBacking backing) return;
        Blocking.Wait(backing.MakeEmptyAsync(default));
        Blocking.Wait(top.FlushAsync(default));
    }
}
