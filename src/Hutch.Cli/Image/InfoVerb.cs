using System;
using System.Collections.Generic;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Jobs;

namespace Hutch.Cli.Image;

/// <summary>info: what an image is.</summary>
internal static class InfoVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "hf:U", "help:h", "format=:f", "output=", "json", "backing-chain", "object=", "image-opts", "force-share:U", "untrusted");
        bool isChain = false, isJson = false;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "output": isJson = ImageArguments.IsJson(options.Value); break;
                case "json": isJson = true; break;
                case "backing-chain": isChain = true; break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (options.Operands.Count == 0 || (options.Operands.Count > 1 && tool.IsDropIn)) throw tool.Usage("Expecting one image file name");
        List<ImageInfo> found = [];
        int status = 0;
        foreach (string name in options.Operands)
            if (!Collect(tool, common, name, isChain, found)) status = 1;
        if (status != 0 && options.Operands.Count == 1) return status;
        Print(tool, found, isJson, isJson && (isChain || options.Operands.Count > 1));
        return status;
    }

    private static void Print(Tool tool, List<ImageInfo> found, bool isJson, bool isArray)
    {
        if (isJson)
        {
            object[] all = new object[found.Count];
            for (int i = 0; i < all.Length; i++) all[i] = found[i].ToMembers();
            if (isArray || all.Length == 1) tool.WriteLine(JsonText.Of(isArray ? all : all[0]));
            return;
        }
        for (int i = 0; i < found.Count; i++)
        {
            if (i > 0) tool.WriteLine("");
            tool.Write(found[i].ToText());
        }
    }

    private static bool Collect(Tool tool, ImageArguments common, string name, bool isChain, List<ImageInfo> found)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        string? format = common.Format;
        bool isOptions = common.ImageOptions;
        while (true)
        {
            if (!seen.Add(name))
            {
                tool.Error($"Backing file '{name}' creates an infinite loop.");
                return false;
            }
            BlockOpenRequest request = common.Request(name, readOnly: true, format, isOptions) with
            {
                NoData = true,
                References = common.IsUntrusted ? ReferencePolicy.Refuse : ReferencePolicy.NoBacking,
            };
            ImageNode? image = common.Open(name, request);
            if (image is null) return false;
            ImageInfo info = ImageInfo.Of(image);
            Blocking.Wait(image.DisposeAsync());
            found.Add(info);
            if (!isChain || info.Backing is null) return true;
            if (info.FullBackingName is null)
            {
                tool.Error("Could not determine the filename of the backing file");
                return false;
            }
            (name, format, isOptions) = (info.FullBackingName, info.Backing.Format, false);
        }
    }
}
