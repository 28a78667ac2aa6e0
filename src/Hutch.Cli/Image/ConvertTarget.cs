using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;
using Hutch.Block.Options;

namespace Hutch.Cli.Image;

/// <summary>
/// The image that 'convert' makes or fills. A new local file is written under another name and put in its place when it is complete and durable, except
/// where the tool stands in for one that does neither.
/// </summary>
internal sealed class ConvertTarget(Tool tool, ImageArguments common, ConvertRequest request, string name)
{
    private const string Suffix = ".partial";

    private CreateOptionSet? _options;
    private ImageFormat? _format;
    private string _written = "";
    private bool _isMade;

    /// <summary>The image, when it is open.</summary>
    internal ImageNode? Image { get; private set; }

    /// <summary>Length of the image below the target; null where there is none.</summary>
    internal long? BackingBytes { get; private set; }

    /// <summary>Looks at the options of the new image. False, with an error said, where they are wrong.</summary>
    internal bool TryPrepare(List<ImageNode> sources)
    {
        if (request.SkipsCreation) return TryPrepareBacking(request.Backing, request.BackingFormat);
        _format = ImageFormats.Find(request.TargetFormat!)!;
        if (!_format.CanCreate)
        {
            tool.Error($"Format driver '{_format.Name}' does not support image creation");
            return false;
        }
        _options = new CreateOptionSet(_format, withFile: true);
        if (request.List is not null) _options.Parse(request.List);
        if (_options.Get("size") is null)
        {
            long length = 0;
            foreach (ImageNode source in sources) length = checked(length + source.LengthBytes);
            _options.Set("size", length.ToString(CultureInfo.InvariantCulture));
        }
        if (request.Backing is not null) _options.SetSupported("backing_file", request.Backing, $"Backing file not supported for file format '{_format.Name}'");
        if (request.BackingFormat is not null) _options.SetSupported("backing_fmt", request.BackingFormat, $"Backing format not supported for file format '{_format.Name}'");
        return IsCompressible() && TryPrepareBacking(_options.Get("backing_file"), _options.Get("backing_fmt"));
    }

    /// <summary>Makes the image unless it is there, and opens it. False, with an error said, where that fails.</summary>
    internal bool TryOpen()
    {
        _written = name;
        CacheMode cache = request.Cache ?? (tool.IsDropIn || request.IsNotSynced ? CacheMode.Unsafe : CacheMode.Writeback);
        if (_format is not null)
        {
            if (IsReplaced()) _written = BlockGraph.LocalPath(name)! + Suffix;
            _isMade = true;
            try
            {
                ulong length = OptionText.ReadSize("size", _options!.Get("size")!);
                if (length > long.MaxValue) throw new ImageException($"The image size is too large for file format '{_format.Name}'");
                Blocking.Wait(BlockGraph.CreateAsync(new BlockCreateRequest
                {
                    Filename = _written, Format = _format, LengthBytes = (long)length, Options = _options.ToFormatOptions(), Secrets = common.Secrets,
                }, default));
            }
            catch (ImageException e)
            {
                tool.Error(e, $"{name}: error while converting {_format.Name}: ");
                return false;
            }
            catch (BlockIoException e)
            {
                tool.Error($"{name}: error while converting {_format.Name}: {ErrorText.Of(e)}");
                return false;
            }
        }
        BlockOpenRequest open = common.Request(_written, readOnly: false, request.TargetImageOptions ? null : request.TargetFormat, request.TargetImageOptions) with
        {
            Cache = cache, ForceShare = false, Options = OpenOptions(), References = ReferencePolicy.Follow,
        };
        Image = common.Open(name, open);
        if (Image is not null && request.SkipsCreation && BackingBytes is null && ChainExtent.BackingOf(Image) is BlockNode below && request.Backing is not null) BackingBytes = below.LengthBytes;
        return Image is not null;
    }

    /// <summary>All is written: makes it durable and puts it in its place.</summary>
    internal void Finish()
    {
        Blocking.Wait(Image!.FlushAsync(default));
        Blocking.Wait(Image.DisposeAsync());
        Image = null;
        if (_written != name) CompletedFile.Place(_written, BlockGraph.LocalPath(name)!);
        _isMade = false;
    }

    /// <summary>Closes what is open; what was begun and not finished goes.</summary>
    internal void Close(bool done)
    {
        if (Image is not null) Blocking.Wait(Image.DisposeAsync());
        Image = null;
        if (!done && _isMade) CompletedFile.Remove(_written);
    }

    private bool IsCompressible()
    {
        if (!request.Compresses) return true;
        string? encryption = _options!.Get("encryption"), format = _options.Get("encrypt.format"), preallocation = _options.Get("preallocation");
        string? wrong = encryption == "on" || format is not null ? "Compression and encryption not supported at the same time"
            : preallocation is not (null or "off") ? "Compression and preallocation not supported at the same time"
            : !_format!.CanCompress ? "Compression not supported for this file format"
            : null;
        if (wrong is not null) tool.Error(wrong);
        return wrong is null;
    }

    private bool TryPrepareBacking(string? backing, string? format)
    {
        if (string.IsNullOrEmpty(backing)) return true;
        if (format is null && !request.SkipsCreation)
        {
            tool.Error("Use of backing file requires explicit backing format");
            return false;
        }
        string full = BlockGraph.ResolveReference(name, backing) ?? backing;
        ImageNode? below = common.Open(full, new BlockOpenRequest { Filename = full, Format = format, ReadOnly = true, Secrets = common.Secrets });
        if (below is null) return false;
        BackingBytes = below.LengthBytes;
        Blocking.Wait(below.DisposeAsync());
        return true;
    }

    // Images of several files name each other, and those that lie elsewhere than in local files have no other name.
    private bool IsReplaced() => !tool.IsDropIn && !request.IsNotSynced && request.Cache is not CacheMode.Unsafe
        && BlockGraph.LocalPath(name) is string path && (!File.Exists(path) || new FileInfo(path).LinkTarget is null) && !Directory.Exists(path) && !path.StartsWith("/dev/", StringComparison.Ordinal)
        && _options!.Get("data_file") is null && _options.Get("subformat") is null or "monolithicSparse" or "streamOptimized" or "dynamic" or "fixed";

    private Dictionary<string, string> OpenOptions()
    {
        Dictionary<string, string> options = new(StringComparer.Ordinal);
        if (request.TargetImageOptions)
        {
            foreach ((string key, string value) in OptionList.Parse(name, "file.filename")) options[key] = value;
            return options;
        }
        // The key of a new image opens it.
        foreach (string key in (ReadOnlySpan<string>)["encrypt.key-secret", "key-secret"])
            if (_options?.Get(key) is string secret) options[key] = secret;
        return options;
    }
}
