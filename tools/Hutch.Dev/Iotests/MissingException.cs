using System;

namespace Hutch.Dev.Iotests;

/// <summary>Something that the tests need is missing: the message says what, and how to get it.</summary>
internal sealed class MissingException(string message) : Exception(message);
