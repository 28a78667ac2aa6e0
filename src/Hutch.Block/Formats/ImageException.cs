using System;

namespace Hutch.Block.Formats;

/// <summary>
/// An image, or what was asked of it, is wrong: not this format, damaged, a feature or an option that is not supported. The message is the
/// reason as the image tool prints it, without the file's name in front; <see cref="Hint"/> is a further line that says how to mend it, or null.
/// </summary>
public class ImageException : Exception
{
    /// <summary>Creates the exception with its reason.</summary>
    public ImageException(string message, string? hint = null) : base(message) => Hint = hint;

    /// <summary>Creates the exception with its reason and the cause.</summary>
    public ImageException(string message, Exception cause) : base(message, cause) { }

    /// <summary>How to mend it, or null.</summary>
    public string? Hint { get; }

    /// <summary>The file's own refusal, whose message is a whole sentence with its mend; null where the image was opened and is wrong.</summary>
    public DiskOpenException? Refusal { get; init; }

    /// <summary>The kernel's number of the error (errno(3)), where one says it best; null otherwise.</summary>
    public int? Errno { get; init; }

    /// <summary>What went wrong below, which is said before the message; null for nothing.</summary>
    public string? Before { get; init; }

    /// <summary>A further sentence for people that no other tool prints, or null.</summary>
    public string? Remark { get; init; }
}
