using System.Collections.Generic;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;

namespace Hutch.Cli.Image;

/// <summary>rebase: gives an image another backing image, with the content that it has.</summary>
internal static class RebaseVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "hf:F:b:upt:T:qU", "help:h", "object=", "image-opts", "force-share:U");
        CacheMode cache = CacheMode.Writeback, sourceCache = CacheMode.Writeback;
        string? backing = null, format = null;
        bool isUnsafe = false, shows = false;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "F": format = options.Value; break;
                case "b": backing = options.Value; break;
                case "u": isUnsafe = true; break;
                case "p": shows = true; break;
                case "t": cache = ImageArguments.CacheOf(options.Value); break;
                case "T": sourceCache = ImageArguments.CacheOf(options.Value, "source cache"); break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (common.IsQuiet) shows = false;
        if (options.Operands.Count != 1) throw tool.Usage("Expecting one image file name");
        if (!isUnsafe && backing is null) throw tool.Usage("Must specify backing file (-b) or use simple rebase mode (-u)");
        string name = options.Operands[0];
        BlockOpenRequest request = common.Request(name, readOnly: false) with { Cache = cache, ForceShare = false };
        ImageNode? image = common.Open(name, isUnsafe ? request with { References = ReferencePolicy.NoBacking } : request);
        if (image is null) return 1;
        try
        {
            if (format is not null && !BlockGraph.HasDriver(format))
            {
                tool.Error($"Invalid format name: '{format}'");
                return 1;
            }
            if (!isUnsafe && !Copy(tool, common, image, backing!, format, sourceCache, shows)) return 1;
            return Change(tool, image, backing, format);
        }
        finally
        {
            Blocking.Wait(image.DisposeAsync());
        }
    }

    private static bool Copy(Tool tool, ImageArguments common, ImageNode image, string backing, string? format, CacheMode cache, bool shows)
    {
        ImageNode? below = null;
        try
        {
            if (backing.Length > 0)
            {
                string full = BlockGraph.ResolveReference(image.Filename, backing) ?? throw new ImageException($"Cannot use relative backing file names for '{image.Filename}'");
                try
                {
                    BlockOpenRequest request = new() { Filename = full, Format = format, ReadOnly = true, ForceShare = common.ForceShare, Secrets = common.Secrets, Cache = cache };
                    below = Blocking.Wait(BlockGraph.OpenAsync(request, default));
                }
                catch (ImageException e)
                {
                    tool.Error(e, $"Could not open new backing file '{full}': ");
                    return false;
                }
            }
            using ProgressLine progress = new(tool, shows);
            using (RebaseJob job = new(image, ChainExtent.BackingOf(image), below, progress.Listener, default)) job.Run();
            // The image is complete before it lets its old backing image go.
            Blocking.Wait(image.FlushAsync(default));
            progress.Finish();
            return true;
        }
        catch (ImageException e)
        {
            tool.Error(e);
        }
        catch (BlockIoException e)
        {
            tool.Error($"error while rebasing: {ErrorText.Of(e)}");
        }
        finally
        {
            if (below is not null) Blocking.Wait(below.DisposeAsync());
        }
        return false;
    }

    private static int Change(Tool tool, ImageNode image, string? backing, string? format)
    {
        string? name = string.IsNullOrEmpty(backing) ? null : backing;
        try
        {
            if (image is not IImageBacking reference) throw new BlockIoException("No backing images.", BlockIoException.Enotsup);
            if (name is not null && format is null) throw new ImageException("backing format must be specified");
            Blocking.Wait(reference.SetBackingReferenceAsync(name, name is null ? null : format, default));
            Blocking.Wait(image.FlushAsync(default));
            return 0;
        }
        catch (ImageException e)
        {
            tool.Error(e, $"Could not change the backing file to '{backing}': ");
        }
        catch (BlockIoException e)
        {
            tool.Error($"Could not change the backing file to '{backing}': {(e.Errno == BlockIoException.Enospc ? "No space left in the file header" : ErrorText.Of(e))}");
        }
        return 1;
    }
}
